from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.learning_loop.uncertainty import (
    disagreement,
    patch_step,
    picture_uncertainty,
    pixel_uncertainty,
    ranked_regions,
)
from ovseg_annotate.regions import Mask, Region
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("nucleus; cell; -glass")
SIDE = 128  # px: patches of 8 px


def label_map(
    labels: NDArray[np.uint8], margin: NDArray[np.floating] | float, words: Vocabulary = WORDS
) -> LabelMap:
    margins = np.broadcast_to(margin, labels.shape).astype(np.float16)
    return LabelMap(labels, (0.5 + margins / 2).astype(np.float16), margins, words)


def halves() -> NDArray[np.uint8]:
    labels = np.ones((SIDE, SIDE), np.uint8)
    labels[:, SIDE // 2 :] = 2
    return labels


@pytest.mark.parametrize("measure", ["margin", "entropy"])
def test_doubt_is_none_where_one_concept_has_it_all_and_grows_as_two_draw_level(
    measure: str,
) -> None:
    margins = np.linspace(1, 0, SIDE)[None, :].repeat(4, 0)
    doubt = pixel_uncertainty(label_map(np.ones((4, SIDE), np.uint8), margins), measure=measure)  # type: ignore[arg-type]
    assert doubt[0, 0] == pytest.approx(0, abs=1e-3)
    assert (np.diff(doubt[0]) > -1e-3).all()
    assert doubt[0, -1] > 0.6


@given(st.floats(0, 1), st.floats(0, 1))
def test_doubt_is_a_share_whatever_the_engine_says(confidence: float, part: float) -> None:
    shape = (2, 2)
    said = LabelMap(
        np.ones(shape, np.uint8),
        np.full(shape, confidence, np.float16),
        np.full(shape, confidence * part, np.float16),
        WORDS,
    )
    for measure in ("margin", "entropy"):
        doubt = pixel_uncertainty(said, measure=measure)  # type: ignore[arg-type]
        assert ((doubt >= 0) & (doubt <= 1)).all()


def test_engines_that_contradict_one_another_make_doubt_however_sure_each_is() -> None:
    one, other = label_map(halves(), 1.0), label_map(np.ones((SIDE, SIDE), np.uint8), 1.0)
    doubt = pixel_uncertainty(one, [other])
    assert (doubt[:, : SIDE // 2] == 0).all()
    assert (doubt[:, SIDE // 2 :] == 1).all()


def test_disagreement_goes_by_names_and_not_by_numbers() -> None:
    swapped = label_map(3 - halves(), 1.0, Vocabulary.parse("Cell; Nucleus"))
    assert not disagreement([label_map(halves(), 1.0), swapped]).any()


def test_disagreement_of_three_is_the_share_of_pairs() -> None:
    maps = [label_map(np.full((4, 4), label, np.uint8), 1.0) for label in (1, 1, 2)]
    assert disagreement(maps) == pytest.approx(np.full((4, 4), 2 / 3))


@pytest.mark.parametrize("maps", [[], [label_map(halves(), 1.0)]])
def test_one_map_cannot_disagree(maps: list[LabelMap]) -> None:
    with pytest.raises(ValueError, match="two label maps or more"):
        disagreement(maps)


def test_maps_of_different_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="not of one picture"):
        disagreement([label_map(halves(), 1.0), label_map(halves()[:9], 1.0)])


def test_a_large_area_of_mild_doubt_does_not_outweigh_an_unclear_border() -> None:
    mild, band = np.full((SIDE, SIDE), 0.7), np.full((SIDE, SIDE), 1.0)
    band[:, SIDE // 2 - 5 : SIDE // 2 + 5] = 0.1
    flat, unclear = label_map(halves(), mild), label_map(halves(), band)
    doubts = [pixel_uncertainty(each) for each in (flat, unclear)]
    assert doubts[0].mean() > doubts[1].mean()
    judged = [
        picture_uncertainty(each, doubt).uncertainty
        for each, doubt in zip((flat, unclear), doubts, strict=True)
    ]
    assert judged[0] < judged[1]


def test_an_unclear_border_counts_more_than_a_clear_one() -> None:
    judged = []
    for width in (1, 4):
        margins = np.full((SIDE, SIDE), 1.0)
        margins[:, SIDE // 2 - width : SIDE // 2 + width] = 0.0
        said = label_map(halves(), margins)
        judged.append(picture_uncertainty(said, pixel_uncertainty(said)).uncertainty)
    assert judged[0] < 0.5 * judged[1]


def test_the_patch_says_where_and_between_what() -> None:
    margins = np.full((SIDE, SIDE), 1.0)
    margins[40:48, 60:68] = 0.0
    said = label_map(halves(), margins)
    first, *rest = picture_uncertainty(said, pixel_uncertainty(said)).patches
    assert first.window == Window(40, 60, 8, 8)
    assert set(first.concepts) == {"nucleus", "cell"}
    assert first.uncertainty == pytest.approx(1)
    assert all(each.uncertainty < 0.01 for each in rest)


def test_unlabelled_pixels_have_no_name() -> None:
    said = label_map(np.zeros((SIDE, SIDE), np.uint8), 0.5)
    assert picture_uncertainty(said, pixel_uncertainty(said)).patches[0].concepts == ("",)


@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.integers(1, 90))
def test_patches_lie_in_the_picture_and_never_overlap(seed: int, height: int, width: int) -> None:
    doubt = np.random.default_rng(seed).random((height, width)).astype(np.float32)
    said = label_map(np.ones((height, width), np.uint8), 0.5)
    covered = np.zeros((height, width), np.int64)
    patches = picture_uncertainty(said, doubt).patches
    for patch in patches:
        assert patch.window.size.area > 0
        covered[patch.window.slices] += 1
        assert 0 <= patch.uncertainty <= 1
    assert len(patches) >= 1
    assert covered.max() == 1


def test_a_patch_is_the_mean_over_its_pixels() -> None:
    doubt = np.random.default_rng(0).random((SIDE, SIDE)).astype(np.float32)
    patches = picture_uncertainty(label_map(halves(), 0.5), doubt).patches
    for patch in patches:
        assert patch.uncertainty == pytest.approx(float(doubt[patch.window.slices].mean()))
    step = patch_step(Size(SIDE, SIDE))
    assert patches[0].uncertainty == pytest.approx(
        max(
            float(doubt[row : row + 2 * step, column : column + 2 * step].mean())
            for row in range(0, SIDE - step, step)
            for column in range(0, SIDE - step, step)
        )
    )


def region(top: int, left: int, height: int, width: int) -> Region:
    return Region("cell", (), Mask.of(np.ones((height, width), np.bool_), top, left))


def test_regions_come_by_their_worst_patch_and_not_by_their_size() -> None:
    doubt = np.full((SIDE, SIDE), 0.3, np.float32)
    doubt[100:112, 100:112] = 0.9
    ranked = ranked_regions([region(0, 0, 90, 90), region(98, 98, 20, 20)], doubt)
    assert [each.number for each in ranked] == [1, 0]
    where = ranked[0].patch.window
    assert where.top >= 98
    assert where.left >= 98
    assert ranked[1].patch.uncertainty == pytest.approx(0.3)


def test_a_speck_does_not_win_by_being_small() -> None:
    doubt = np.full((SIDE, SIDE), 0.0, np.float32)
    doubt[0:2, 0:2] = 1.0
    doubt[64:80, 64:80] = 0.8
    ranked = ranked_regions([region(0, 0, 2, 2), region(64, 64, 16, 16)], doubt)
    assert [each.number for each in ranked] == [1, 0]


def test_only_the_pixels_of_a_region_count_for_it() -> None:
    doubt = np.zeros((SIDE, SIDE), np.float32)
    doubt[:, 64:] = 1.0
    (only,) = ranked_regions([region(10, 20, 40, 44)], doubt)
    assert only.patch.uncertainty == 0


def test_regions_without_pixels_are_left_out() -> None:
    empty = Region("cell", (), Mask.of(np.zeros((4, 4), np.bool_)))
    assert ranked_regions([empty], np.ones((SIDE, SIDE), np.float32)) == ()
