from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.scene import Attributes, SceneRules, SceneStyle
from ovseg_annotate.datasets.scenes.words import COLOURS, GROUNDS, names_of
from ovseg_annotate.geometry import Size
from ovseg_annotate.training.samples import (
    merged_regions,
    patch_coverage,
    random_window,
    whole_sample,
    window_on_object,
    window_sample,
    without_colour,
)

RED_CIRCLE = Attributes(colour="red", shape="circle", texture="plain")
GRASS = Attributes(thing="grass")


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_coverage_of_a_patch_adds_up_to_one(seed: int, count: int) -> None:
    regions = np.random.default_rng(seed).integers(count, size=(16, 24))
    covered = patch_coverage(regions, count, 8)
    assert covered.shape == (6, count)
    assert np.allclose(covered.sum(axis=1), 1.0)
    assert covered[4, 0] == (regions[8:16, 8:16] == 0).mean()


def test_regions_that_are_described_alike_become_one() -> None:
    instances = np.array([[1, 2], [3, 2]], np.uint16)
    regions, attributes = merged_regions(instances, [GRASS, RED_CIRCLE, GRASS])
    assert attributes == (GRASS, RED_CIRCLE)
    assert regions.tolist() == [[0, 1], [0, 1]]


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_a_window_shows_what_the_scene_shows_there(seed: int) -> None:
    scene = draw_scene(SceneRules(size=Size(144, 144)), seed)
    rng = np.random.default_rng(seed)
    window = window_sample(scene, random_window(scene, 96, rng), rng)
    assert window.pixels.shape == (96, 96, 3)
    assert set(np.unique(window.regions)) == set(range(len(window.attributes)))
    whole = {region.attributes for region in scene.regions}
    assert set(window.attributes) <= whole


@given(st.integers(0, 2**32), st.sampled_from(list(SceneStyle)))
@settings(max_examples=30, deadline=None)
def test_a_window_on_an_object_lies_in_the_picture_and_shows_an_object(
    seed: int, style: SceneStyle
) -> None:
    scene = draw_scene(SceneRules(style=style, size=Size(64, 64)), seed)
    window = window_on_object(scene, 48, np.random.default_rng(seed))
    assert 0 <= window.top <= window.bottom <= 64
    assert 0 <= window.left <= window.right <= 64
    things = {region.label for region in scene.regions if region.attributes.thing not in GROUNDS}
    if things:
        assert things & set(np.unique(scene.instances[window.slices]).tolist())


@given(st.integers(0, 2**32), st.sampled_from(list(SceneStyle)))
@settings(max_examples=30)
def test_without_colour_a_picture_keeps_its_shapes_and_speaks_of_no_colour(
    seed: int, style: SceneStyle
) -> None:
    coloured = whole_sample(draw_scene(SceneRules(style=style), seed))
    grey = without_colour(coloured, np.random.default_rng(seed))
    assert (grey.pixels == grey.pixels[:, :, :1]).all()
    assert all(one.colour is None for one in grey.attributes)
    shapes = np.array([one.shape or "" for one in coloured.attributes])[coloured.regions]
    assert (np.array([one.shape or "" for one in grey.attributes])[grey.regions] == shapes).all()
    assert not set(names_of(COLOURS)) & set(grey.caption.replace(",", "").split())
