from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from scipy import ndimage

from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene
from ovseg_annotate.datasets.scenes.micro_bodies import Body, blobs, draw_seats, rods, threads
from ovseg_annotate.datasets.scenes.micro_slide import FILLINGS, laid_out
from ovseg_annotate.datasets.scenes.words import MICRO_GROUNDS, MICRO_THINGS, names_of
from ovseg_annotate.geometry import Size, signed_area

RULES = SceneRules(SceneStyle.MICROSCOPY)
SIZE = Size(80, 100)


def square(thing: str, left: float, top: float, side: float) -> Body:
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float) * side + (left, top)
    return Body(thing, corners)


def test_every_microscopic_word_can_be_laid_out() -> None:
    assert set(FILLINGS) == set(names_of(MICRO_THINGS))


def test_things_are_bright_on_dark_and_dark_on_bright() -> None:
    lighter: dict[str, list[bool]] = defaultdict(list)
    for seed in range(150):
        scene = draw_scene(RULES, seed)
        brightness = scene.pixels.mean(axis=2)
        ground = brightness[scene.instances == 1].mean()
        for thing in {region.name for region in scene.regions[1:]}:
            labels = [region.label for region in scene.regions if region.name == thing]
            there = brightness[np.isin(scene.instances, labels)].mean()
            lighter[scene.regions[0].name].append(bool(there > ground))
    assert set(lighter) == set(names_of(MICRO_GROUNDS))
    assert np.mean(lighter["dark background"]) == 1
    assert np.mean(lighter["tissue"]) < 0.05
    assert np.mean(lighter["bright field"]) < 0.05


def test_cells_hold_their_nuclei() -> None:
    held = whole = 0
    for seed in range(12):
        rng = np.random.Generator(np.random.PCG64(seed))
        slide = laid_out(RULES.size, FILLINGS["cell"](RULES, rng))
        cells = np.isin(slide.labels, [i + 1 for i, t in enumerate(slide.things) if t == "cell"])
        nuclei = (slide.labels > 0) & ~cells
        around = ndimage.binary_dilation(nuclei) & ~nuclei
        held += int((around & cells).sum())
        whole += int(around.sum())
    assert held / whole > 0.85


def test_a_buried_body_is_taken_away_and_labels_close_up() -> None:
    buried = square("bead", 11, 11, 6)
    slide = laid_out(SIZE, [square("nucleus", 40, 40, 20), buried, square("cell", 5, 5, 30)])
    assert slide.things == ("nucleus", "cell")
    assert np.unique(slide.labels).tolist() == [0, 1, 2]


@pytest.mark.parametrize("side", [6, 11, 30])
def test_labels_cover_the_area_of_their_outline(side: int) -> None:
    slide = laid_out(SIZE, [square("cell", 20, 30, side)])
    assert abs(int((slide.labels == 1).sum()) - side**2) <= 2 * side
    rows, columns = np.nonzero(slide.labels)
    assert rows.mean() + 0.5 == pytest.approx(30 + side / 2, abs=0.5)
    assert columns.mean() + 0.5 == pytest.approx(20 + side / 2, abs=0.5)


def test_coverage_shows_one_kind_with_its_strength() -> None:
    slide = laid_out(SIZE, [square("cell", 5, 5, 20), square("bead", 60, 40, 20)])
    picture = np.asarray(slide.coverage("bead", np.array([1.0, 0.5])))
    assert picture.shape == (80, 100)
    assert picture[50, 70] == 128
    assert picture[15, 15] == 0


def test_seats_keep_their_distance(rng: np.random.Generator) -> None:
    seats = draw_seats(SIZE, rng, np.full(60, 5.0), spacing=1.1, clumped=False)
    away = np.hypot(*(seats.centres[:, None] - seats.centres).transpose(2, 0, 1))
    assert len(seats.radii) > 15
    assert away[~np.eye(len(away), dtype=bool)].min() >= 11


def test_bodies_have_the_size_they_were_given(rng: np.random.Generator) -> None:
    seats = draw_seats(SIZE, rng, np.full(10, 6.0), spacing=1.0, clumped=False)
    for bead in blobs("bead", seats, rng, roughness=0.0, longest=1.0):
        assert abs(signed_area(bead.points)) == pytest.approx(np.pi * 36, rel=0.02)
    for rod in rods("bacterium", seats, rng, width=3.0):
        assert abs(signed_area(rod.points)) == pytest.approx(12 * 3 + np.pi * 1.5**2, rel=0.15)


def test_filaments_are_long_and_thin(rng: np.random.Generator) -> None:
    for thread in threads(SIZE, 10, 2.0, rng):
        along = np.linalg.norm(np.diff(thread.points, axis=0), axis=1).sum() / 2
        assert along > 10 * 2.0


def test_a_grey_microscopy_picture_names_no_colours() -> None:
    for seed in range(60):
        scene = draw_scene(RULES, seed)
        if np.ptp(scene.pixels.astype(int), axis=2).max() == 0:
            assert all(region.attributes.colour is None for region in scene.regions[1:])
