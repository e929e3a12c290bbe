from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from fake_engine import FakeEngine
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label
from vector_engine import CPU, vector_session

from ovseg_annotate.datasets.scenes import HeldOut, held_out_scene
from ovseg_annotate.errors import Cancelled, MarkError, OptionError, VocabularyError
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.image import Image, from_array
from ovseg_annotate.pointing.marks import AreaMark, BoxMark, Mark, PointMark, window_of
from ovseg_annotate.pointing.picking import PickOptions
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

Mask = NDArray[np.bool_]


def disc(size: tuple[int, int], x: float, y: float, radius: float) -> Mask:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.hypot(columns + 0.5 - x, rows + 0.5 - y) < radius


def shown(masks: list[tuple[Mask, tuple[int, int, int]]], ground: int = 200) -> Image:
    """Coloured areas on a grey ground, with a little noise as any camera has."""
    pixels = np.full((*masks[0][0].shape, 3), ground, np.float64)
    for mask, colour in masks:
        pixels[mask] = colour
    noise = np.random.default_rng(0).normal(0, 4, pixels.shape)
    return from_array(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def box_round(mask: Mask) -> BoxMark:
    seen = window_of(mask)
    return BoxMark("red", seen.left, seen.top, seen.right, seen.bottom)


RED, GREEN, BLUE = (190, 40, 40), (40, 170, 60), (40, 60, 190)


@pytest.mark.parametrize("side", [96, 384, 1536])
@pytest.mark.parametrize("share", [0.06, 0.3])
def test_one_click_finds_a_disc_small_or_large_in_a_picture_of_any_size(
    side: int, share: float
) -> None:
    truth = disc((side, side), 0.6 * side, 0.4 * side, share * side)
    picked = vector_session().pick(
        shown([(truth, RED)]), [PointMark("red", 0.6 * side, 0.4 * side)]
    )
    assert overlap(picked.mask, truth) > 0.9
    assert picked.score > 0.5


def test_a_box_finds_what_is_in_it_and_not_its_neighbours() -> None:
    truth, neighbour = disc((120, 160), 60, 60, 25), disc((120, 160), 108, 60, 22)
    picked = vector_session().pick(shown([(truth, RED), (neighbour, RED)]), [box_round(truth)])
    assert overlap(picked.mask, truth) > 0.9
    assert not (picked.mask & neighbour)[:, 90:].any()


def test_a_striped_thing_is_one_thing_in_its_box() -> None:
    truth = disc((128, 128), 64, 64, 40)
    stripes = (np.arange(128) // 6 % 2 == 0)[None, :] & truth
    picked = vector_session().pick(shown([(truth, RED), (stripes, GREEN)]), [box_round(truth)])
    assert overlap(picked.mask, truth) > 0.9


def test_a_ring_keeps_its_hole() -> None:
    outer, inner = disc((128, 128), 64, 64, 40), disc((128, 128), 64, 64, 18)
    picked = vector_session().pick(shown([(outer & ~inner, RED)]), [box_round(outer)])
    assert overlap(picked.mask, outer & ~inner) > 0.85
    assert not picked.mask[60:68, 60:68].any()


def test_a_second_click_on_another_part_brings_it_in() -> None:
    left, right = disc((96, 128), 40, 48, 24), disc((96, 128), 78, 48, 24)
    image = shown([(right, BLUE), (left, RED)])
    marks = [PointMark("red", 30, 48), PointMark("red", 90, 48)]
    alone = vector_session().pick(image, marks[:1]).mask
    assert overlap(alone, left) > 0.85
    assert overlap(vector_session().pick(image, marks).mask, left | right) > 0.85


def test_a_negative_click_takes_a_part_out() -> None:
    left, right = disc((96, 128), 40, 48, 24), disc((96, 128), 78, 48, 24)
    image = shown([(right, (190, 90, 40)), (left, RED)])
    negative = PointMark("red", 88, 48, positive=False)
    picked = vector_session().pick(image, [PointMark("red", 34, 48), negative])
    assert overlap(picked.mask, left) > 0.85
    assert not picked.mask[48, 88]


def test_a_stroke_is_inside_whatever_it_crosses() -> None:
    left, right = disc((96, 128), 40, 48, 24), disc((96, 128), 78, 48, 24)
    stroke = np.zeros((96, 128), bool)
    stroke[46:50, 24:96] = True
    image = shown([(right, BLUE), (left, RED)])
    picked = vector_session().pick(image, [AreaMark("red", stroke)])
    assert picked.mask[stroke].mean() > 0.95
    assert overlap(picked.mask, left | right) > 0.85


def test_words_help_to_tell_what_was_meant() -> None:
    """A red spot on a green disc: the click lies on both, the word says which."""
    whole, spot = disc((96, 96), 48, 48, 34), disc((96, 96), 48, 48, 12)
    image = shown([(whole, GREEN), (spot, RED)])
    words = Vocabulary.parse("red; green; -grey")
    found = vector_session().pick(image, [PointMark("red", 48, 48)], vocabulary=words)
    assert overlap(found.mask, spot) > 0.85


def test_a_box_is_answered_by_any_engine_and_runs_no_tower() -> None:
    engine = FakeEngine()
    truth = disc((120, 160), 60, 60, 25)
    session = Session(engine, CPU, FeatureStore())
    assert overlap(session.pick(shown([(truth, RED)]), [box_round(truth)]).mask, truth) > 0.9
    assert engine.encoded_windows == 0


def test_what_lies_outside_the_box_is_never_taken() -> None:
    image = shown([(disc((96, 128), 64, 48, 40), RED)])
    picked = vector_session().pick(image, [BoxMark("red", 50, 30, 80, 60)])
    outside = np.ones((96, 128), bool)
    outside[27:63, 47:83] = False
    assert picked.mask.any()
    assert not (picked.mask & outside).any()


def test_a_box_beyond_the_picture_is_cut_at_its_edge() -> None:
    truth = disc((96, 128), 0, 48, 30)
    picked = vector_session().pick(shown([(truth, RED)]), [BoxMark("red", -30, 18, 30, 78)])
    assert overlap(picked.mask, truth) > 0.85


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 200), (64, 64)])
def test_a_picture_of_one_colour_has_an_answer_with_the_click(size: tuple[int, int]) -> None:
    image = from_array(np.full((*size, 3), 90, np.uint8))
    marks = [PointMark("red", size[1] / 2, size[0] / 2)]
    picked = vector_session().pick(image, marks)
    assert picked.mask.shape == size
    assert picked.mask[size[0] // 2, size[1] // 2]


@dataclass(frozen=True)
class Patches:
    image: Image
    x: float
    y: float


@st.composite
def patches(draw: st.DrawFn) -> Patches:
    height, width = draw(st.integers(8, 70)), draw(st.integers(8, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    few = rng.integers(0, 256, (4, 4, 3), np.uint8)
    grown = np.kron(few, np.ones((-(-height // 4), -(-width // 4), 1), np.uint8))
    x, y = draw(st.floats(0, width)), draw(st.floats(0, height))
    return Patches(from_array(np.ascontiguousarray(grown[:height, :width])), x, y)


SESSION = vector_session()


@settings(max_examples=15)
@given(patches())
def test_whatever_is_clicked_the_answer_is_one_piece_with_the_click(patch: Patches) -> None:
    height, width = patch.image.pixels.shape[:2]
    picked = SESSION.pick(patch.image, [PointMark("red", patch.x, patch.y)])
    row, column = min(int(patch.y), height - 1), min(int(patch.x), width - 1)
    assert picked.mask.shape == (height, width)
    assert picked.mask[row, column]
    assert label(picked.mask, np.ones((3, 3)))[1] == 1
    assert 0 <= picked.score <= 1


def test_the_same_marks_give_the_same_pixels() -> None:
    image = shown([(disc((96, 96), 40, 40, 20), RED)])
    marks: list[Mark] = [PointMark("red", 40, 40)]
    first, second = vector_session().pick(image, marks), vector_session().pick(image, marks)
    assert_array_equal(first.mask, second.mask)
    assert first.score == second.score


def test_marks_are_checked_before_the_tower_runs() -> None:
    session = vector_session()
    with pytest.raises(MarkError, match="outside the picture"):
        session.pick(shown([(disc((96, 96), 40, 40, 20), RED)]), [PointMark("red", 200, 40)])
    assert session.engine.encoded_windows == 0  # type: ignore[attr-defined]


def test_a_negative_area_over_all_of_a_box_leaves_nothing() -> None:
    image = shown([(disc((96, 96), 40, 40, 20), RED)])
    marks = [BoxMark("red", 20, 20, 60, 60), AreaMark("red", np.ones((96, 96), bool), False)]
    with pytest.raises(MarkError, match="leaves nothing of it"):
        vector_session().pick(image, marks)


def test_a_concept_that_is_not_among_the_words_is_refused() -> None:
    image = shown([(disc((96, 96), 40, 40, 20), RED)])
    with pytest.raises(VocabularyError, match="'pear' is marked and not among the words"):
        vector_session().pick(
            image, [PointMark("pear", 40, 40)], vocabulary=Vocabulary.parse("red")
        )


def test_options_of_the_features_are_checked() -> None:
    image = shown([(disc((96, 96), 40, 40, 20), RED)])
    with pytest.raises(OptionError, match="scale 'tiny' is not understood"):
        vector_session().pick(image, [PointMark("red", 40, 40)], PickOptions(scale="tiny"))


def test_a_pick_can_be_stopped_while_features_are_made() -> None:
    image = shown([(disc((96, 96), 40, 40, 20), RED)])
    with pytest.raises(Cancelled):
        vector_session().pick(image, [PointMark("red", 40, 40)], watch=Watch(cancel=lambda: True))


def picks(session: Session, which: HeldOut, count: int, *, boxes: bool) -> list[float]:
    """Overlap for the largest object of each scene, clicked in its middle or boxed."""
    overlaps = []
    for index in range(count):
        scene = held_out_scene(which, "any", index)
        things = [region for region in scene.regions if region.attributes.shape is not None]
        truth = max((scene.instances == each.label for each in things), key=np.count_nonzero)
        inner = distance_transform_edt(np.pad(truth, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(int(inner.argmax()), inner.shape)
        mark: Mark = PointMark("thing", float(column) + 0.5, float(row) + 0.5)
        mark = box_round(truth) if boxes else mark
        overlaps.append(overlap(session.pick(from_array(scene.pixels), [mark]).mask, truth))
    return overlaps


def test_easy_scenes_are_picked_well_with_the_bundled_model() -> None:
    session = open_session("naclip@mini")
    assert np.mean(picks(session, HeldOut.EASY, 6, boxes=False)) > 0.7
    assert np.mean(picks(session, HeldOut.EASY, 6, boxes=True)) > 0.8
