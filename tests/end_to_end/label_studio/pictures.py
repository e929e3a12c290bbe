"""Generated pictures with their exact masks, and how well regions agree with them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from skimage.draw import polygon2mask

from ovseg_annotate.datasets.scenes import Scene, SceneRules, SceneStyle, draw_scene
from ovseg_annotate.formats.label_studio_rle import decode
from ovseg_annotate.geometry import Size

Mask = NDArray[np.bool_]

SIZE = Size(height=320, width=448)
WORDS = "nucleus; bacterium; -dark background; -bright field; -tissue"
NAMES = ("nucleus",)  # what is in them; the other one competes and is nowhere
_RULES = SceneRules(SceneStyle.MICROSCOPY, SIZE, object_scale=2.0)
_ORIENTATION = 0x0112
_TURNED_RIGHT = 6  # how a viewer has to turn the stored pixels


@dataclass(frozen=True)
class Picture:
    name: str
    data: bytes
    truth: Mapping[str, Mask]


def microscopy(seeds: Iterable[int]) -> tuple[Picture, ...]:
    """Scenes as a microscope stores them."""
    scenes = ((seed, draw_scene(_RULES, seed)) for seed in seeds)
    return tuple(
        Picture(f"scene-{seed}.png", _png(scene.pixels), _truth(scene)) for seed, scene in scenes
    )


def lying(seed: int) -> Picture:
    """A scene as a camera stores it that was held on its side."""
    scene = draw_scene(_RULES, seed)
    return Picture("lying.jpg", _lying_jpeg(scene.pixels), _truth(scene))


def agreement(results: Iterable[Mapping[str, Any]], truth: Mapping[str, Mask]) -> Iterator[float]:
    """The IoU of each concept in each kind of control, drawn by other code than ours."""
    drawn: dict[tuple[str, str], Mask] = {}
    for result in results:
        kind, value = result["type"], result["value"]
        (label,) = value[kind]
        if kind == "polygonlabels":
            points = np.array(value["points"])[:, ::-1] / 100 * (SIZE.height, SIZE.width)
            # polygon2mask counts from pixel centres, the editor from the corner.
            mask = polygon2mask((SIZE.height, SIZE.width), points - 0.5)
        elif kind == "brushlabels":
            mask = decode(value["rle"], SIZE)
        else:
            continue
        shape = (SIZE.height, SIZE.width)
        drawn[kind, label] = drawn.get((kind, label), np.zeros(shape, bool)) | mask
    for kind in {kind for kind, _ in drawn}:
        for name, mask in truth.items():
            found = drawn.get((kind, name), np.zeros_like(mask))
            yield float((found & mask).sum() / (found | mask).sum())


def _truth(scene: Scene) -> dict[str, Mask]:
    masks: dict[str, Mask] = {}
    for region in scene.regions:
        if region.name in NAMES:
            mask = scene.instances == region.label
            masks[region.name] = masks.get(region.name, np.zeros_like(mask)) | mask
    return masks


def _png(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _lying_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    lying = Pillow.fromarray(np.ascontiguousarray(np.rot90(pixels)))
    exif = lying.getexif()
    exif[_ORIENTATION] = _TURNED_RIGHT
    file = io.BytesIO()
    lying.save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()
