"""Generated pictures, and how well suggestions agree with their exact masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from annotated_samples import fingerprint, settings
from cli.runner import ovseg

from ovseg_annotate.errors import OptionError, RunError
from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import read_image
from ovseg_annotate.regions import AnnotatedImage, Region
from ovseg_annotate.run_folder import Picture, RunFolder
from ovseg_annotate.vocabulary import Vocabulary


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    ovseg("scenes", tmp_path / "scenes", "--count", "3", "--seed", "5", "--size", "64")
    return tmp_path / "scenes"


def run_of(drawn: Path, out: Path, keep: slice) -> Path:
    """A run folder whose suggestions are the truth, or a part of it."""
    words = Vocabulary.read(drawn / "words.yaml")
    with RunFolder(out) as folder:
        folder.adopt(settings(vocabulary=str(words)), replace=False)
        for right in format_named("masks").read(drawn / "truth"):
            taken = Picture(right.name, drawn / "pictures" / right.name)
            kept = tuple(
                Region(each.concept, each.polygons, each.mask) for each in right.regions[keep]
            )
            image = AnnotatedImage(right.name, right.size, kept, words, None)
            folder.save(taken, fingerprint(taken), image)
    return out


def test_the_same_seed_draws_the_same_pictures(drawn: Path, tmp_path: Path) -> None:
    ovseg("scenes", tmp_path / "again", "--count", "3", "--seed", "5", "--size", "64")
    for path in drawn.rglob("*.png"):
        again = tmp_path / "again" / path.relative_to(drawn)
        assert again.read_bytes() == path.read_bytes()


def test_every_pixel_of_the_truth_has_a_concept_of_the_word_list(drawn: Path) -> None:
    words = set(Vocabulary.read(drawn / "words.yaml").names)
    truth = list(format_named("masks").read(drawn / "truth"))
    assert len(truth) == 3
    for image in truth:
        assert {region.concept for region in image.regions} <= words
        covered = sum(region.mask.area for region in image.regions if region.mask is not None)
        assert covered == image.size.area


def test_pictures_have_the_size_that_was_asked_for(drawn: Path) -> None:
    for path in (drawn / "pictures").iterdir():
        assert read_image(path).size == Size(height=64, width=64)


def test_a_folder_with_something_in_it_is_refused(drawn: Path) -> None:
    with pytest.raises(OptionError, match="name a new one"):
        ovseg("scenes", drawn)


def test_the_truth_agrees_with_itself(drawn: Path, tmp_path: Path) -> None:
    labels = run_of(drawn, tmp_path / "labels", slice(None))
    answer = ovseg("compare", labels, drawn / "truth", "--json").json
    assert answer["pictures"] == 3
    assert answer["mean_iou"] == 1.0
    assert answer["pixel_accuracy"] == 1.0


def test_missing_regions_cost(drawn: Path, tmp_path: Path) -> None:
    labels = run_of(drawn, tmp_path / "labels", slice(1))
    answer = ovseg("compare", labels, drawn / "truth", "--json").json
    assert answer["mean_iou"] < 1.0
    assert answer["pixel_accuracy"] == pytest.approx(share_of_first_regions(drawn))


def share_of_first_regions(drawn: Path) -> float:
    truth = list(format_named("masks").read(drawn / "truth"))
    first = sum(image.regions[0].mask.area for image in truth if image.regions[0].mask)
    return float(np.float64(first) / sum(image.size.area for image in truth))


def test_the_table_ends_with_the_mean(drawn: Path, tmp_path: Path) -> None:
    labels = run_of(drawn, tmp_path / "labels", slice(None))
    lines = ovseg("compare", labels, drawn / "truth").lines
    assert any(line.startswith("mean over") and line.endswith("1.000") for line in lines)


def test_pictures_without_a_record_are_named_and_do_not_count(drawn: Path, tmp_path: Path) -> None:
    labels = run_of(drawn, tmp_path / "labels", slice(None))
    (labels / "records" / "scene-0001.png.json").unlink()
    answer = ovseg("compare", labels, drawn / "truth", "--json")
    assert answer.json["pictures"] == 2
    assert "scene-0001.png has no record" in answer.talk


def test_a_truth_of_another_size_is_refused(drawn: Path, tmp_path: Path) -> None:
    labels = run_of(drawn, tmp_path / "labels", slice(None))
    words = Vocabulary.read(drawn / "words.yaml")
    image = AnnotatedImage("scene-0001.png", Size(8, 8), (), words, None)
    format_named("masks").write([image], tmp_path / "other")
    with pytest.raises(RunError, match="8 x 8 px in the truth and 64 x 64 px in the record"):
        ovseg("compare", labels, tmp_path / "other")
