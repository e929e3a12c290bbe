from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ovseg_annotate.errors import ImageError, OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.refine import region_votes
from ovseg_annotate.refine.region_votes import MeanVote, mean_vote, mode_vote, region_map_of
from ovseg_annotate.refine.superpixels import superpixels
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("cell; ground; scratch")


def label_map(labels: object, confidence: float = 0.5) -> LabelMap:
    values = np.array(labels, np.uint8)
    sure = np.full(values.shape, confidence, np.float16)
    return LabelMap(values, sure, sure / 2, WORDS)


def region_map(numbers: object) -> NDArray[np.int32]:
    return np.array(numbers, np.int32)


def test_the_most_frequent_label_takes_the_region_and_the_rest_keeps_its_own() -> None:
    voted = mode_vote(
        label_map([[1, 1, 2, 3], [2, 2, 0, 3]]), region_map([[7, 7, 7, 0], [2, 2, 2, 0]])
    )
    assert voted.labels.tolist() == [[1, 1, 1, 3], [2, 2, 2, 3]]
    assert voted.labels.dtype == np.uint8
    assert voted.vocabulary == WORDS


def test_unlabelled_pixels_vote_too() -> None:
    voted = mode_vote(label_map([[0, 0, 1]]), region_map([[1, 1, 1]]))
    assert voted.labels.tolist() == [[0, 0, 0]]


def test_confidence_counts_the_pixels_that_voted_otherwise_as_zero() -> None:
    voted = mode_vote(label_map([[1, 1, 1, 2]], confidence=0.8), region_map([[1, 1, 1, 1]]))
    np.testing.assert_allclose(voted.confidence, 0.6, atol=1e-3)
    np.testing.assert_allclose(voted.margin, 0.4, atol=1e-3)


def test_equally_frequent_labels_are_decided_by_confidence_then_by_number() -> None:
    even = label_map([[2, 1]])
    assert mode_vote(even, region_map([[1, 1]])).labels.tolist() == [[1, 1]]
    even.confidence[0, 0] = 0.9
    assert mode_vote(even, region_map([[1, 1]])).labels.tolist() == [[2, 2]]


@settings(deadline=None)
@given(seed=st.integers(0, 2**16), strip=st.integers(1, 40))
def test_strips_do_not_change_a_vote(seed: int, strip: int) -> None:
    rng = np.random.default_rng(seed)
    labels = label_map(rng.integers(0, 4, (9, 8)))
    regions = rng.integers(0, 5, (9, 8)).astype(np.int32)
    whole = mode_vote(labels, regions)
    for number in range(1, 5):
        inside = regions == number
        if inside.any():
            counts = np.bincount(labels.labels[inside])
            assert counts[whole.labels[inside][0]] == counts.max()
    assert (whole.labels == labels.labels)[regions == 0].all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(region_votes, "_STRIP_PIXELS", strip)
        np.testing.assert_array_equal(mode_vote(labels, regions).labels, whole.labels)


def test_the_mean_of_a_region_stands_in_all_its_pixels() -> None:
    scores = np.array([[[0.2, 0.4, 0.9]], [[0.8, 0.6, 0.1]]], np.float32)
    voted = mean_vote(scores, region_map([[1, 1, 0]]))
    np.testing.assert_allclose(voted, [[[0.3, 0.3, 0.9]], [[0.7, 0.7, 0.1]]], rtol=1e-6)


def test_a_mean_gathered_window_by_window_equals_the_mean_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((3, 20, 30), np.float32)
    regions = rng.integers(0, 6, (20, 30)).astype(np.int32)
    vote = MeanVote(regions=5, concepts=3)
    for rows in (slice(0, 7), slice(7, 20)):
        vote.add(scores[:, rows], regions[rows])
    np.testing.assert_allclose(vote.voted(scores, regions), mean_vote(scores, regions), rtol=1e-6)
    inside = regions == 4
    np.testing.assert_allclose(vote.means()[:, 4], scores[:, inside].mean(axis=1), rtol=1e-5)


def test_a_region_map_of_another_size_is_refused() -> None:
    with pytest.raises(ImageError, match="shape"):
        mode_vote(label_map([[1, 2]]), region_map([[1]]))


def test_region_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ImageError, match="got -3"):
        mode_vote(label_map([[1, 2]]), region_map([[-3, 1]]))
    with pytest.raises(ImageError, match="2 were announced"):
        MeanVote(regions=2, concepts=1).add(np.zeros((1, 1, 1), np.float32), region_map([[3]]))


def test_a_small_mask_on_a_large_one_stays_whole() -> None:
    small = np.zeros((4, 4), np.bool_)
    small[1, 1] = True
    regions = region_map_of([small, np.ones((4, 4), np.bool_)], Size(4, 4))
    assert regions[1, 1] == 1
    assert (regions == 2).sum() == 15
    with pytest.raises(ImageError, match="mask 1"):
        region_map_of([small], Size(4, 5))


def test_superpixels_follow_an_edge() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 37:] = (250, 200, 40)
    regions = superpixels(pixels, area=64)
    left, right = set(np.unique(regions[:, :37])), set(np.unique(regions[:, 37:]))
    assert not left & right
    assert 20 < len(left | right) < 130
    assert regions.min() == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (40, 30)])
def test_superpixels_number_every_pixel_of_an_even_picture(shape: tuple[int, int]) -> None:
    regions = superpixels(np.full((*shape, 3), 77, np.uint8), area=100)
    assert regions.shape == shape
    assert regions.min() >= 1


def test_superpixels_of_neighbouring_blocks_have_numbers_of_their_own() -> None:
    pixels = np.zeros((20, 1030, 3), np.uint8)
    regions = superpixels(pixels, area=400)
    assert not set(np.unique(regions[:, :1024])) & set(np.unique(regions[:, 1024:]))


def test_superpixels_without_an_area_are_refused() -> None:
    with pytest.raises(OptionError, match="area 0"):
        superpixels(np.zeros((4, 4, 3), np.uint8), area=0)
