from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ovseg_annotate.geometry import Window
from ovseg_annotate.learning_loop.choice import By, Choice, at_random, chosen, shuffled
from ovseg_annotate.learning_loop.looks import Look
from ovseg_annotate.learning_loop.uncertainty import Patch


def look(
    name: str,
    doubt: float = 0.5,
    at: Sequence[float] = (0.0, 0.0),
    concepts: Sequence[str] = ("a",),
) -> Look:
    patch = Patch(Window(0, 0, 8, 8), doubt, tuple(concepts))
    return Look(name, name, doubt, (patch,), np.array(at, np.float16))


def names(choices: Sequence[Choice]) -> list[str]:
    return [each.picture for each in choices]


def test_the_most_uncertain_come_first() -> None:
    looks = [look("a", 0.2), look("b", 0.9), look("c", 0.5)]
    assert names(chosen(looks, (), 2, "uncertainty")) == ["b", "c"]


def test_the_same_picture_twice_is_not_chosen_before_another_one() -> None:
    looks = [look("a", 0.9), look("b", 0.9), look("c", 0.3, at=(1, 0))]
    assert names(chosen(looks, (), 2, "uncertainty")) == ["a", "b"]
    assert names(chosen(looks, (), 2, "both")) == ["a", "c"]


def test_doubt_and_difference_outweigh_either_alone() -> None:
    looks = [
        look("sure", 0.01, at=(9, 0)),
        look("near", 0.9, at=(0.1, 0)),
        look("x", 0.5, at=(5, 0)),
    ]
    assert names(chosen(looks, [look("done")], 1, "both")) == ["x"]


def test_diversity_begins_with_the_most_typical_and_goes_to_the_farthest() -> None:
    looks = [look(str(place), at=(place, 0)) for place in (0, 4, 5, 6, 10)]
    order = names(chosen(looks, (), 3, "diversity"))
    assert order[0] == "5"
    assert set(order[1:]) == {"0", "10"}


def test_diversity_keeps_away_from_what_is_answered() -> None:
    looks = [look("near", at=(1, 0)), look("far", at=(5, 0))]
    (first, second) = chosen(looks, [look("done", at=(0, 0))], 2, "diversity")
    assert (first.picture, first.distance) == ("far", pytest.approx(5))
    assert (second.picture, second.distance) == ("near", pytest.approx(1))


@pytest.mark.parametrize(
    ("concepts", "reason"),
    [
        (("nucleus", "cell"), "most uncertain at the border between nucleus and cell"),
        (("nucleus", ""), "most uncertain at the edge of nucleus"),
        (("", "nucleus"), "most uncertain at the edge of nucleus"),
        (("cell",), "most uncertain inside cell"),
        (("",), "most uncertain where nothing is labelled"),
    ],
)
def test_a_reason_says_what_is_in_doubt(concepts: tuple[str, ...], reason: str) -> None:
    (only,) = chosen([look("a", concepts=concepts)], (), 1, "uncertainty")
    assert only.reason == reason
    assert only.patch is not None


def test_a_reason_says_what_a_picture_is_unlike() -> None:
    looks = [look("far", at=(5, 0)), look("near", at=(0.1, 0))]
    far, near = chosen(looks, [look("done")], 2, "both")
    assert far.reason.endswith("; unlike anything corrected so far")
    assert near.picture == "near"
    (only,) = chosen(looks, [look("done")], 1, "diversity")
    assert only.reason == "the least like anything corrected so far"
    first, second = chosen(looks, (), 2, "diversity")
    assert first.reason == "the most typical of all"
    assert second.reason == "the least like what stands before it in the queue"


def test_random_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    pictures = [f"{number}.png" for number in range(50)]
    first = at_random(pictures, 10, seed=1)
    assert first == at_random(reversed(pictures), 10, seed=1)
    assert names(first) != names(at_random(pictures, 10, seed=2))
    assert {each.reason for each in first} == {"drawn at random (seed 1)"}


def test_taking_some_out_does_not_shuffle_the_others() -> None:
    pictures = [f"{number}.png" for number in range(50)]
    order = shuffled(pictures, seed=3)
    assert shuffled(pictures[5:], seed=3) == [name for name in order if name in set(pictures[5:])]


def test_random_asks_for_no_looks() -> None:
    with pytest.raises(ValueError, match="at_random"):
        chosen([look("a")], (), 1, "random")


@pytest.mark.parametrize("by", ["both", "uncertainty", "diversity"])
def test_of_nothing_nothing_is_chosen(by: By) -> None:
    assert chosen([], [look("done")], 3, by) == ()


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 30),
    st.sampled_from(["both", "uncertainty", "diversity"]),
)
def test_each_picture_is_chosen_once_whatever_the_order_they_come_in(
    seed: int, count: int, by: By
) -> None:
    rng = np.random.default_rng(seed)
    looks = [look(f"{number:02}", rng.random(), rng.random(3)) for number in range(20)]
    answered = [
        look(f"done {number}", 0.5, rng.random(3)) for number in range(int(rng.integers(4)))
    ]
    choices = chosen(looks, answered, count, by)
    assert len(set(names(choices))) == len(choices) == min(count, 20)
    assert choices == chosen(rng.permutation(np.array(looks, object)), answered, count, by)


def test_k_centre_covers_within_twice_the_best() -> None:
    """The greedy rule's guarantee (Gonzalez, 1985), against the best of all pairs."""
    rng = np.random.default_rng(5)
    for _ in range(10):
        points = rng.random((12, 2))
        looks = [look(f"{number:02}", at=point) for number, point in enumerate(points)]
        order = [int(name) for name in names(chosen(looks, (), 2, "diversity"))]
        best = min(_radius(points, [one, other]) for one in range(12) for other in range(12))
        assert _radius(points, order) <= 2 * best + 1e-2


def _radius(points: NDArray[np.float64], centres: Sequence[int]) -> float:
    apart = np.linalg.norm(points[:, None] - points[centres][None], axis=2)
    return float(apart.min(axis=1).max())


def test_a_hundred_thousand_pictures_are_no_matter_of_minutes() -> None:
    vectors = np.random.default_rng(0).random((100_000, 64), np.float32).astype(np.float16)
    looks = [Look(f"{n:06}", "", 0.5, (), vector) for n, vector in enumerate(vectors)]
    start = time.process_time()
    choices = chosen(looks[1000:], looks[:1000], 20, "both")
    assert len(choices) == 20
    assert time.process_time() - start < 60
