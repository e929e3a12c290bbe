from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.datasets.scenes.words import COLOURS, SHAPES, names_of
from ovseg_annotate.datasets.second_scenes.colours import TONES, distance, shade_of, tone_of
from ovseg_annotate.datasets.second_scenes.layout import FINER, cut_out
from ovseg_annotate.datasets.second_scenes.strokes import (
    box,
    disc,
    line,
    pie,
    rounded,
    stamped,
    without,
)


def share(*strokes: object) -> float:
    return float((np.asarray(stamped(strokes, 400, 400)) > 0).mean())  # type: ignore[arg-type]


def test_strokes_cover_the_area_that_geometry_gives_them() -> None:
    assert share(box(0.25, 0.25, 0.75, 0.75)) == pytest.approx(0.25, abs=0.005)
    assert share(disc(0.5, 0.5, 0.4)) == pytest.approx(np.pi * 0.16, abs=0.005)
    assert share(pie(((0.1, 0.1), (0.9, 0.9)), 180, 360)) == pytest.approx(np.pi * 0.08, abs=0.005)
    ends = np.pi * 0.05**2
    assert share(line(0.1, (0.2, 0.5), (0.8, 0.5))) == pytest.approx(0.06 + ends, abs=0.005)


def test_what_is_erased_is_a_hole_and_later_strokes_fill_it() -> None:
    ring = (disc(0.5, 0.5, 0.4), without(disc(0.5, 0.5, 0.2)))
    assert share(*ring) == pytest.approx(np.pi * 0.12, abs=0.005)
    assert share(*ring, disc(0.5, 0.5, 0.2)) == pytest.approx(np.pi * 0.16, abs=0.005)


def test_rounding_cuts_corners_and_nothing_else() -> None:
    square = stamped((box(0.1, 0.1, 0.9, 0.9),), 200, 200)
    cut = stamped((rounded((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)),), 200, 200)
    inside, outside = np.asarray(cut) > 0, np.asarray(square) == 0
    assert not (inside & outside).any()
    assert inside[100, 25]
    assert not inside[22, 22]


@given(shape=st.sampled_from(names_of(SHAPES)), seed=st.integers(0, 999), length=st.floats(12, 60))
def test_every_shape_has_a_mask_that_is_half_covered_or_more(
    shape: str, seed: int, length: float
) -> None:
    cutout = cut_out(shape, length, np.random.default_rng(seed))
    fine = np.asarray(cutout.fine) > 0
    height, width = cutout.mask.shape
    assert fine.shape == (FINER * height, FINER * width)
    covered = fine.reshape(height, FINER, width, FINER).mean(axis=(1, 3))
    np.testing.assert_array_equal(cutout.mask, covered >= 0.5)
    assert cutout.mask.sum() > 0.05 * length**2


def test_two_shapes_never_have_the_same_outline() -> None:
    masks = set()
    for shape in names_of(SHAPES):
        cutout = cut_out(shape, 32, np.random.default_rng(3))
        masks.add((cutout.mask.shape, cutout.mask.tobytes()))
    assert len(masks) == len(SHAPES)


@given(word=st.sampled_from(names_of(COLOURS)), seed=st.integers(0, 999))
def test_a_tone_is_nearer_to_its_own_word_than_to_any_other(word: str, seed: int) -> None:
    tone = tone_of(word, np.random.default_rng(seed))
    nearest = min(TONES, key=lambda other: min(distance(tone, each) for each in TONES[other]))
    assert nearest == word


def test_shades_go_to_black_and_to_white() -> None:
    assert shade_of((100, 50, 200), -1.0) == (0, 0, 0)
    assert shade_of((100, 50, 200), 1.0) == (255, 255, 255)
    assert shade_of((100, 50, 200), 0.0) == (100, 50, 200)
