from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.evaluation.held_out import Asking, SceneSet, scene_trials
from ovseg_annotate.evaluation.instances import instances_in, overlaps
from ovseg_annotate.geometry import Size
from ovseg_annotate.regions import AnnotatedImage, Mask, labels_of
from ovseg_annotate.vocabulary import Vocabulary


@given(st.integers(0, 999))
def test_every_number_is_one_region_with_its_pixels(seed: int) -> None:
    random = np.random.default_rng(seed)
    numbers = random.integers(0, 6, random.integers(1, 12, 2)).astype(np.uint16)
    names = {2: "cell", 4: "nucleus", 5: "cell", 9: "bead"}
    regions = instances_in(numbers, names)
    there = [value for value in sorted(names) if (numbers == value).any()]
    assert [region.concept for region in regions] == [names[value] for value in there]
    for value, region in zip(there, regions, strict=True):
        assert region.mask is not None
        painted = np.zeros(numbers.shape, bool)
        painted[region.mask.box.slices] = region.mask.array()
        assert np.array_equal(painted, numbers == value)


@given(st.integers(0, 999))
def test_overlaps_are_those_of_the_whole_masks(seed: int) -> None:
    random = np.random.default_rng(seed)

    def some(count: int) -> list[Mask]:
        boxes = random.integers(0, 9, (count, 4)).tolist()
        return [
            Mask.of(random.random((height + 1, width + 1)) < 0.5, top, left)
            for top, left, height, width in boxes
        ]

    def whole(mask: Mask) -> np.ndarray:
        pixels = np.zeros((20, 20), bool)
        pixels[mask.box.slices] = mask.array()
        return pixels

    rows, columns = some(3), some(2)
    expected = [[(whole(one) & whole(other)).sum() for other in columns] for one in rows]
    assert overlaps(rows, columns).tolist() == expected


def test_overlaps_with_nothing_are_empty() -> None:
    mask = Mask.of(np.ones((2, 2), bool))
    assert overlaps([], [mask]).shape == (0, 1)
    assert overlaps([mask], []).shape == (1, 0)


def test_the_things_of_a_scene_are_told_apart_and_cover_what_is_no_ground() -> None:
    for trial in scene_trials(SceneSet.CROWDED, "unseen", Asking(count=3)).draw():
        assert trial.instances
        names = trial.vocabulary.names
        image = AnnotatedImage("", Size(*trial.truth.shape), trial.instances, words(names), None)
        grounds = [names.index(name) + 1 for name in trial.grounds]
        expected = np.where(np.isin(trial.truth, grounds), 0, trial.truth)
        assert np.array_equal(labels_of(image), expected)


def words(names: tuple[str, ...]) -> Vocabulary:
    return Vocabulary.parse("; ".join(names))
