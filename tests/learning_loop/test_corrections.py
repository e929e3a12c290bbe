from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from annotated_samples import annotated, fingerprint, picture, settings
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError, RunError
from ovseg_annotate.formats.catalogue import FORMATS
from ovseg_annotate.geometry import Size
from ovseg_annotate.learning_loop.corrections import (
    NOTHING,
    Correction,
    Stated,
    correction_of,
    corrections_in_export,
    corrections_in_run,
)
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.run_folder import RunFolder, RunReader
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("red; green; -blue")
SIZE = Size(height=24, width=32)
LEFT, RIGHT = (0, 0, 24, 12), (0, 20, 24, 12)  # top, left, height, width


def region(box: tuple[int, int, int, int], concept: str = "red") -> Region:
    top, left, height, width = box
    return Region(concept, (), Mask.of(np.ones((height, width), np.bool_), top, left))


def image(*regions: Region, suggested: bool = False) -> AnnotatedImage:
    provenance = annotated().provenance if suggested else None
    return AnnotatedImage("a.png", SIZE, regions, WORDS, provenance)


def area(stated: tuple[Stated, ...], concept: str) -> NDArray[np.bool_]:
    pixels = np.zeros((SIZE.height, SIZE.width), np.bool_)
    for each in stated:
        if each.concept == concept:
            pixels[each.mask.box.slices] = each.mask.array()
    return pixels


def pixels(box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    top, left, height, width = box
    inside = np.zeros((SIZE.height, SIZE.width), np.bool_)
    inside[top : top + height, left : left + width] = True
    return inside


SUGGESTED = image(region(LEFT), region(RIGHT, "green"), suggested=True)


def test_where_nobody_did_anything_nothing_is_known() -> None:
    correction = correction_of(SUGGESTED, image(*SUGGESTED.regions), accepted=False)
    assert correction.certain == correction.rejected == ()
    assert correction.unseen().all()
    assert correction.effort.regions_kept == 2


def test_a_relabelled_region_is_certain_and_its_untouched_neighbour_unseen() -> None:
    left = image(region(LEFT, "green"), region(RIGHT, "green"))
    correction = correction_of(SUGGESTED, left, accepted=False)
    assert np.array_equal(area(correction.certain, "green"), pixels(LEFT))
    assert correction.rejected == ()
    assert np.array_equal(correction.unseen(), ~pixels(LEFT))


def test_a_removed_region_is_rejected_and_not_certain_of_anything() -> None:
    correction = correction_of(SUGGESTED, image(region(LEFT)), accepted=False)
    assert np.array_equal(area(correction.rejected, "green"), pixels(RIGHT))
    assert correction.certain == ()


def test_the_whole_of_a_changed_region_was_looked_at() -> None:
    smaller = (0, 0, 24, 9)
    left = image(region(smaller), region(RIGHT, "green"))
    correction = correction_of(SUGGESTED, left, accepted=False)
    assert np.array_equal(area(correction.certain, "red"), pixels(smaller))
    assert np.array_equal(area(correction.rejected, "red"), pixels(LEFT) & ~pixels(smaller))


def test_a_region_drawn_where_nothing_was_is_certain() -> None:
    drawn = (4, 13, 6, 6)
    left = image(*SUGGESTED.regions, region(drawn))
    correction = correction_of(SUGGESTED, left, accepted=False)
    assert np.array_equal(area(correction.certain, "red"), pixels(drawn))


def test_an_accepted_picture_was_looked_at_as_a_whole() -> None:
    correction = correction_of(SUGGESTED, image(region(LEFT)), accepted=True)
    assert not correction.unseen().any()
    assert np.array_equal(area(correction.certain, "red"), pixels(LEFT))
    assert np.array_equal(area(correction.certain, NOTHING), ~pixels(LEFT))
    assert np.array_equal(area(correction.rejected, "green"), pixels(RIGHT))


def test_without_a_suggestion_only_what_was_drawn_is_certain() -> None:
    correction = correction_of(None, image(region(LEFT)), accepted=False)
    assert correction.version == ""
    assert np.array_equal(correction.unseen(), ~pixels(LEFT))


def test_the_version_names_the_model_whose_suggestion_was_answered() -> None:
    provenance = SUGGESTED.provenance
    assert provenance is not None
    correction = correction_of(SUGGESTED, image(), accepted=False)
    assert correction.version == provenance.digest


boxes = st.tuples(st.integers(0, 14), st.integers(0, 20), st.integers(1, 10), st.integers(1, 12))
regions = st.lists(st.builds(region, boxes, st.sampled_from(["red", "green"])), max_size=4)


@given(regions, regions, st.booleans())
def test_nothing_is_both_certain_of_one_concept_and_something_else(
    before: list[Region], after: list[Region], accepted: bool
) -> None:
    correction = correction_of(image(*before, suggested=True), image(*after), accepted=accepted)
    certain = sum(area(correction.certain, name).astype(int) for name in ("red", "green", NOTHING))
    rejected = sum(area(correction.rejected, name).astype(int) for name in ("red", "green"))
    named = area(correction.certain, "red") | area(correction.certain, "green")
    assert np.max(certain) <= 1
    assert np.max(rejected) <= 1
    assert not (named & (rejected > 0)).any()
    assert accepted == (not correction.unseen().any()) or not accepted
    assert all(each.mask.area for each in (*correction.certain, *correction.rejected))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three pictures, suggested red on the right."""
    out = tmp_path / "labels"
    with RunFolder(out) as folder:
        pictures = [picture(tmp_path / "photos" / name) for name in ("a.png", "b.png", "c.png")]
        folder.adopt(settings(), pictures, replace=False)
        for taken in pictures:
            folder.save(taken, fingerprint(taken), annotated(taken.name))
    return out


def corrected(run: Path, image: AnnotatedImage, *, accepted: bool = False) -> None:
    with RunFolder(run) as folder:
        folder.save_correction(replace(image, provenance=None), accepted=accepted)


def test_a_run_tells_what_people_made_of_its_suggestions(run: Path) -> None:
    corrected(run, annotated("a.png", "green"))
    corrected(run, annotated("b.png"), accepted=True)
    first, second = corrections_in_run(RunReader(run))
    assert (first.picture, first.accepted, first.effort.regions_changed) == ("a.png", False, 1)
    assert [each.concept for each in first.certain] == ["green"]
    assert (second.picture, second.accepted, second.effort.regions_kept) == ("b.png", True, 1)
    assert not second.unseen().any()


def test_suggestions_are_never_corrections(run: Path) -> None:
    assert list(corrections_in_run(RunReader(run))) == []


def test_a_damaged_kept_suggestion_is_an_error_that_says_what_it_is_for(run: Path) -> None:
    corrected(run, annotated("a.png", "green"))
    (run / "suggestions" / "a.png.json").write_text("{")
    with pytest.raises(RunError, match=r"the correction of a\.png is compared with; delete it"):
        list(corrections_in_run(RunReader(run)))


def said_again(name: str, run: Path, folder: Path, image: AnnotatedImage) -> list[Correction]:
    FORMATS[name].write([image], folder)
    return list(corrections_in_export(folder, name, RunReader(run)))


@pytest.mark.parametrize("name", FORMATS)
def test_what_other_tools_hold_is_compared_with_the_run(
    name: str, run: Path, tmp_path: Path
) -> None:
    relabelled = replace(annotated("a.png", "green"), provenance=None)
    (only,) = said_again(name, run, tmp_path / "export", relabelled)
    assert (only.picture, only.effort.regions_changed) == ("a.png", 1)
    right = np.zeros((24, 32), np.bool_)
    right[:, 16:] = True
    assert np.array_equal(area(only.certain, "green"), right)


@pytest.mark.parametrize("name", ["label-studio", "coco"])
def test_suggestions_that_come_back_as_they_were_teach_nothing(
    name: str, run: Path, tmp_path: Path
) -> None:
    assert said_again(name, run, tmp_path / "export", annotated("a.png")) == []


def test_a_suggestion_that_was_changed_in_a_tool_that_keeps_its_author_counts(
    run: Path, tmp_path: Path
) -> None:
    (only,) = said_again("coco", run, tmp_path / "export", annotated("a.png", "green"))
    assert not only.accepted
    assert [each.concept for each in only.certain] == ["green"]


def test_a_picture_that_the_run_does_not_know_was_drawn_from_nothing(
    run: Path, tmp_path: Path
) -> None:
    drawn = replace(annotated("z.png"), provenance=None)
    (only,) = said_again("label-studio", run, tmp_path / "export", drawn)
    assert (only.version, only.effort.regions_drawn) == ("", 1)


def test_an_answer_in_a_tool_counts_after_one_in_the_run_folder_too(
    run: Path, tmp_path: Path
) -> None:
    corrected(run, annotated("a.png", "green"), accepted=True)
    again = replace(annotated("a.png"), provenance=None)
    (only,) = said_again("label-studio", run, tmp_path / "export", again)
    assert only.effort.regions_kept == 1


def test_a_picture_of_another_size_is_refused(run: Path, tmp_path: Path) -> None:
    other = replace(annotated("a.png"), size=Size(height=48, width=64), provenance=None)
    with pytest.raises(FormatError, match="must be of one picture"):
        said_again("label-studio", run, tmp_path / "export", other)
