from __future__ import annotations

import colorsys

import numpy as np
import pytest

from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene
from ovseg_annotate.datasets.scenes.camera import blurred, to_bytes
from ovseg_annotate.datasets.scenes.materials import MATERIALS_PAINTED
from ovseg_annotate.datasets.scenes.noise import noise, slope
from ovseg_annotate.datasets.scenes.paint import (
    NEUTRALS,
    TINTS,
    draw_rgb,
    second_tone,
    texture_field,
)
from ovseg_annotate.datasets.scenes.words import COLOURS, MATERIALS, TEXTURES, names_of
from ovseg_annotate.geometry import Size

SIZE = Size(60, 80)


def fits(colour: str, hue: float, saturation: float, value: float) -> bool:
    tint = TINTS[colour]
    low, high = tint.hue
    return (
        (hue - low) % 360 <= high - low
        and tint.saturation[0] <= saturation <= tint.saturation[1]
        and tint.value[0] <= value <= tint.value[1]
    )


def test_every_colour_word_has_a_tint() -> None:
    assert set(TINTS) == set(names_of(COLOURS))


@pytest.mark.parametrize("colour", TINTS)
def test_no_value_of_a_colour_belongs_to_another(colour: str, rng: np.random.Generator) -> None:
    for _ in range(200):
        hue, saturation, value = colorsys.rgb_to_hsv(*draw_rgb(colour, rng).tolist())
        others = [name for name in TINTS if fits(name, 360 * hue, saturation, value)]
        assert others in ([colour], [])  # rounding may leave the box by a hair


@pytest.mark.parametrize("colour", TINTS)
def test_the_second_tone_differs_but_keeps_the_hue(colour: str, rng: np.random.Generator) -> None:
    for _ in range(50):
        rgb = draw_rgb(colour, rng)
        tone = second_tone(rgb, rng)
        assert np.abs(tone - rgb).max() > 0.1
        assert tone.min() >= 0
        assert tone.max() <= 1
        if colour not in NEUTRALS:
            first, second = (colorsys.rgb_to_hsv(*one.tolist())[0] for one in (rgb, tone))
            assert abs((first - second + 0.5) % 1 - 0.5) < 0.02


@pytest.mark.parametrize("texture", names_of(TEXTURES)[1:])
def test_a_texture_shows_both_tones(texture: str, rng: np.random.Generator) -> None:
    for _ in range(10):
        field = texture_field(texture, SIZE, 1.0, rng)
        assert field is not None
        assert field.shape == (60, 80)
        assert -1e-6 <= field.min() < 0.1
        assert 0.9 < field.max() <= 1 + 1e-6
        assert 0.15 < field.mean() < 0.75


def test_plain_has_no_second_tone(rng: np.random.Generator) -> None:
    assert texture_field("plain", SIZE, 1.0, rng) is None


def test_a_larger_texture_has_fewer_edges(rng: np.random.Generator) -> None:
    def edges(scale: float) -> float:
        drawn = (texture_field("striped", SIZE, scale, rng) for _ in range(20))
        fields = [field for field in drawn if field is not None]
        return float(np.mean([np.abs(np.diff(field)).mean() for field in fields]))

    assert edges(3.0) < 0.6 * edges(1.0)


def test_every_material_word_can_be_painted(rng: np.random.Generator) -> None:
    assert set(MATERIALS_PAINTED) == set(names_of(MATERIALS))
    for size in (Size(32, 70), Size(140, 33), Size(200, 150)):
        for name, paint in MATERIALS_PAINTED.items():
            canvas = paint(size, rng)
            assert canvas.shape == (size.height, size.width, 3), name
            assert canvas.dtype == np.float32, name
            assert canvas.std() > 0.01, name


def test_a_colour_is_what_its_word_says_in_the_finished_picture() -> None:
    judged = 0
    for seed in range(60):
        scene = draw_scene(SceneRules(SceneStyle.EASY, grey_share=0.0), seed)
        for region in scene.regions:
            colour = region.attributes.colour
            if region.attributes.shape is None or colour is None or colour in NEUTRALS:
                continue
            inside = scene.pixels[scene.instances == region.label]
            hue, saturation, _ = colorsys.rgb_to_hsv(*(np.median(inside, axis=0) / 255))
            low, high = TINTS[colour].hue
            assert (360 * hue - low + 12) % 360 <= high - low + 24, (seed, region.name)
            assert saturation > 0.1
            judged += 1
    assert judged > 50


def test_noise_is_centred_and_repeatable() -> None:
    for size in (Size(90, 120), Size(300, 500)):
        fields = [
            noise(size, np.random.Generator(np.random.PCG64(5)), down=1.2, across=1.2)
            for _ in range(2)
        ]
        assert fields[0].shape == (size.height, size.width)
        assert (fields[0] == fields[1]).all()
        assert abs(float(fields[0].mean())) < 0.15
        assert 0.8 < float(fields[0].std()) < 1.2


def test_a_slope_runs_from_zero_to_one(rng: np.random.Generator) -> None:
    for _ in range(20):
        plane = slope(SIZE, rng)
        assert plane.min() == pytest.approx(0, abs=1e-4)
        assert plane.max() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("sigma", [0.5, 0.9, 1.4])
def test_a_blur_keeps_the_light_and_spreads_it_by_sigma(sigma: float) -> None:
    point = np.zeros((31, 31, 3), np.float32)
    point[15, 15] = 1
    soft = blurred(point, sigma)[..., 0]
    offsets = np.arange(31) - 15
    assert soft.sum() == pytest.approx(1, abs=1e-5)
    assert (soft.sum(axis=1) * offsets**2).sum() == pytest.approx(sigma**2, rel=1e-4)
    assert point[15, 15, 0] == 1, "the canvas that was given stays as it was"


def test_bytes_are_rounded_and_cut() -> None:
    canvas = np.array([[[-0.5, 0.5, 1.5]]], np.float32)
    assert to_bytes(canvas).tolist() == [[[0, 128, 255]]]
