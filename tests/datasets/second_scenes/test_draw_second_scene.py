from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ovseg_annotate.datasets.scenes import (
    Scene,
    SceneRegion,
    SceneRules,
    SceneStyle,
    is_unseen,
    name_of,
)
from ovseg_annotate.datasets.scenes.words import GROUNDS, MATERIALS, TEXTURES, WORDS, names_of
from ovseg_annotate.datasets.second_scenes import STYLES, draw_second_scene
from ovseg_annotate.datasets.second_scenes.materials import material
from ovseg_annotate.datasets.second_scenes.textures import filled
from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size

EASY = SceneRules(SceneStyle.EASY, pairs="any")
CANONICAL = {word.canonical for word in WORDS}

any_rules = st.builds(
    SceneRules,
    style=st.sampled_from(STYLES),
    size=st.builds(Size, st.integers(32, 120), st.integers(32, 120)),
    pairs=st.sampled_from(["seen", "unseen", "any"]),
    object_scale=st.sampled_from([0.5, 1.0, 2.0]),
)


def objects_of(scene: Scene) -> list[SceneRegion]:
    return [region for region in scene.regions if region.attributes.shape is not None]


@settings(max_examples=25)
@given(rules=any_rules, seed=st.integers(0, 2**32 - 1))
def test_every_pixel_belongs_to_a_region_and_every_region_has_pixels(
    rules: SceneRules, seed: int
) -> None:
    scene = draw_second_scene(rules, seed)
    shape = (rules.size.height, rules.size.width)
    assert scene.pixels.shape == (*shape, 3)
    assert scene.instances.shape == shape
    assert (scene.pixels.dtype, scene.instances.dtype) == (np.uint8, np.uint16)
    labels = [region.label for region in scene.regions]
    assert labels == list(range(1, len(labels) + 1))
    assert np.unique(scene.instances).tolist() == labels


@settings(max_examples=25)
@given(rules=any_rules, seed=st.integers(0, 2**32 - 1))
def test_the_words_are_those_of_the_first_generator(rules: SceneRules, seed: int) -> None:
    for region in draw_second_scene(rules, seed).regions:
        said = region.attributes
        assert {said.colour, said.shape, said.texture, said.thing} <= {*CANONICAL, None}
        assert region.name == name_of(said)
        if said.shape is not None and rules.pairs != "any":
            assert is_unseen(said.colour or "", said.shape) == (rules.pairs == "unseen")


def test_grounds_come_first() -> None:
    for seed in range(12):
        kinds = [
            region.attributes.thing in GROUNDS for region in draw_second_scene(EASY, seed).regions
        ]
        assert kinds == sorted(kinds, reverse=True)
        assert kinds[0]


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    code = (
        "import hashlib\n"
        "from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle\n"
        "from ovseg_annotate.datasets.second_scenes import draw_second_scene\n"
        "s = draw_second_scene(SceneRules(SceneStyle.CROWDED), 5)\n"
        "print(hashlib.sha256(s.pixels.tobytes() + s.instances.tobytes()).hexdigest(), s.caption)\n"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert len(told[0]) > 64


def test_other_seeds_give_other_pictures() -> None:
    first, second = (draw_second_scene(EASY, seed) for seed in (0, 1))
    assert not np.array_equal(first.pixels, second.pixels)


def test_easy_objects_stand_apart() -> None:
    for seed in range(20):
        scene = draw_second_scene(EASY, seed)
        things = [region.label for region in objects_of(scene)]
        assert 1 <= len(things) <= 3
        for label in things:
            others = np.isin(scene.instances, [each for each in things if each != label])
            near = ndimage.binary_dilation(scene.instances == label, np.ones((3, 3)), 2)
            assert not (near & others).any()


def test_objects_of_a_crowd_touch() -> None:
    touching = 0
    for seed in range(10):
        scene = draw_second_scene(SceneRules(SceneStyle.CROWDED, pairs="any"), seed)
        things = np.isin(scene.instances, [region.label for region in objects_of(scene)])
        _, pieces = ndimage.label(things)
        touching += pieces < len(objects_of(scene))
    assert touching >= 8


def test_distractors_share_a_word_with_the_first_object() -> None:
    for seed in range(10):
        scene = draw_second_scene(SceneRules(SceneStyle.DISTRACTORS, pairs="any"), seed)
        first, *others = [region.attributes for region in objects_of(scene)]
        assert others
        for other in others:
            assert (other.colour == first.colour) != (other.shape == first.shape)


def test_an_object_looks_different_from_what_is_behind_it() -> None:
    for seed in range(25):
        scene = draw_second_scene(EASY, seed)
        for region in objects_of(scene):
            mask = scene.instances == region.label
            around = ndimage.binary_dilation(mask, np.ones((3, 3)), 3) & (scene.instances <= 2)
            inside = np.median(scene.pixels[mask], axis=0)
            outside = np.median(scene.pixels[around & ~mask], axis=0)
            assert np.abs(inside - outside).max() > 25, (seed, region.name)


def test_larger_objects_on_request() -> None:
    sizes = {}
    for scale in (1.0, 2.0):
        rules = SceneRules(SceneStyle.EASY, Size(192, 192), "any", object_scale=scale)
        areas = [
            int((scene.instances == region.label).sum())
            for scene in (draw_second_scene(rules, seed) for seed in range(6))
            for region in objects_of(scene)
        ]
        sizes[scale] = np.median(areas)
    assert 2.5 < sizes[2.0] / sizes[1.0] < 6.5


def test_a_style_that_it_cannot_draw_is_an_error_that_lists_what_it_can() -> None:
    with pytest.raises(OptionError, match=r"'microscopy'.*easy, distractors, crowded"):
        draw_second_scene(SceneRules(SceneStyle.MICROSCOPY), 0)


@pytest.mark.parametrize("word", names_of(MATERIALS))
def test_every_material_fills_its_picture(word: str) -> None:
    image = material(word, 200, 120, np.random.default_rng(1))
    assert image.size == (200, 120)
    assert np.asarray(image).std() > 2


@pytest.mark.parametrize("word", names_of(TEXTURES)[1:])
def test_every_texture_shows_two_shades_of_the_colour(word: str) -> None:
    pixels = np.asarray(filled(word, 96, (206, 32, 38), np.random.default_rng(1)), int)
    assert pixels.shape == (96, 96, 3)
    assert pixels.std(axis=(0, 1)).max() > 10
    assert (pixels[..., 0] > pixels[..., 1:].max(axis=2)).mean() > 0.95  # all of it is red
