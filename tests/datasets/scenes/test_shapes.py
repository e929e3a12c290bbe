from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ovseg_annotate.datasets.scenes.curves import box, capsule, disc, smooth
from ovseg_annotate.datasets.scenes.shapes import SHAPES_DRAWN, draw_stamp
from ovseg_annotate.geometry import signed_area

SQUARE_EIGHT = np.ones((3, 3), bool)


@pytest.mark.parametrize("shape", SHAPES_DRAWN)
def test_a_shape_is_one_piece_as_long_as_asked(shape: str, rng: np.random.Generator) -> None:
    for diameter in (18.0, 40.0, 90.0):
        stamp = draw_stamp(shape, diameter, rng)
        pieces, count = ndimage.label(stamp.coverage > 0.1, SQUARE_EIGHT)
        largest = np.bincount(pieces.ravel())[1:].max()
        assert count >= 1
        assert largest > 0.97 * (pieces > 0).sum()
        rows, columns = np.nonzero(stamp.mask)
        longer = max(np.ptp(rows), np.ptp(columns)) + 1
        assert abs(longer - diameter) <= max(2.5, 0.06 * diameter)


@pytest.mark.parametrize("shape", SHAPES_DRAWN)
def test_coverage_is_a_share_and_details_lie_inside(shape: str, rng: np.random.Generator) -> None:
    for _ in range(6):
        stamp = draw_stamp(shape, 60, rng)
        assert stamp.coverage.min() >= 0
        assert stamp.coverage.max() <= 1
        assert (stamp.mask == (stamp.coverage >= 0.5)).all()
        if stamp.detail is not None:
            outside = (stamp.detail > 0.5) & (stamp.coverage < 0.3)
            assert outside.sum() <= 0.02 * stamp.mask.sum()


def test_a_circle_covers_what_a_circle_covers(rng: np.random.Generator) -> None:
    areas = [draw_stamp("circle", 40, rng).coverage.sum() for _ in range(20)]
    # Stretched by up to five percent either way, never longer than forty.
    assert 0.88 * np.pi * 400 < min(areas)
    assert max(areas) < 1.06 * np.pi * 400


def test_a_ring_has_a_hole_and_a_disc_has_none(rng: np.random.Generator) -> None:
    def holes(shape: str) -> int:
        mask = draw_stamp(shape, 50, rng).mask
        _, count = ndimage.label(~np.pad(mask, 1))
        return int(count) - 1

    assert holes("ring") == 1
    assert holes("circle") == 0
    assert holes("cup") == 1


def test_outlines_vary_from_draw_to_draw(rng: np.random.Generator) -> None:
    for shape in SHAPES_DRAWN:
        assert len({draw_stamp(shape, 40, rng).coverage.tobytes() for _ in range(3)}) == 3


def test_curves_enclose_what_they_should() -> None:
    assert abs(signed_area(box(-1, -0.5, 1, 0.5))) == pytest.approx(2)
    assert abs(signed_area(disc(0, 0, 1))) == pytest.approx(np.pi, rel=0.01)
    straight = abs(signed_area(capsule((0, 0), (3, 4), 2)))
    assert straight == pytest.approx(10 + np.pi, rel=0.02)
    corners = disc(0, 0, 1)[::6]
    assert abs(signed_area(smooth(corners))) == pytest.approx(np.pi, rel=0.05)
