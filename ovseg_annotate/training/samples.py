"""Training pictures: a scene, or a window of one, and what its regions are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.scenes.phrases import caption_of
from ovseg_annotate.datasets.scenes.scene import Attributes, Scene
from ovseg_annotate.datasets.scenes.words import BACKGROUND, GROUNDS
from ovseg_annotate.geometry import Window


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One training picture: every pixel belongs to a region that attributes describe."""

    pixels: NDArray[np.uint8]  # (side, side, 3)
    regions: NDArray[np.int64]  # (side, side), values 0 .. len(attributes) - 1
    attributes: tuple[Attributes, ...]
    caption: str


def whole_sample(scene: Scene) -> Sample:
    described = [region.attributes for region in scene.regions]
    regions, attributes = merged_regions(scene.instances, described)
    return Sample(scene.pixels, regions, attributes, scene.caption)


def random_window(scene: Scene, side: int, rng: np.random.Generator) -> Window:
    height, width = scene.instances.shape
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    return Window(top, left, side, side)


def window_on_object(scene: Scene, side: int, rng: np.random.Generator) -> Window:
    """A window with one of the objects, or of the microscopic things, about in its middle."""
    things = [region for region in scene.regions if region.attributes.thing not in GROUNDS]
    if not things:
        return random_window(scene, side, rng)
    chosen = things[int(rng.integers(len(things)))]
    middle = np.argwhere(scene.instances == chosen.label).mean(axis=0)
    wanted = middle - side / 2 + rng.uniform(-side / 6, side / 6, size=2)
    top, left = np.clip(wanted.round(), 0, np.array(scene.instances.shape) - side).astype(int)
    return Window(int(top), int(left), side, side)


def window_sample(scene: Scene, window: Window, rng: np.random.Generator) -> Sample:
    """What a window shows: objects that its border cuts, and a caption for what is left."""
    where = window.slices
    present = np.bincount(scene.instances[where].ravel(), minlength=len(scene.regions) + 1) > 0
    seen = [region for region in scene.regions if present[region.label]]
    # A caption ends with the ground; where objects cover all of it, the whole scene's must do.
    shows_ground = any(region.attributes.thing in GROUNDS for region in seen)
    renumber = np.zeros(len(scene.regions) + 1, np.int64)
    renumber[[region.label for region in seen]] = np.arange(1, len(seen) + 1)
    described = [region.attributes for region in seen]
    regions, attributes = merged_regions(renumber[scene.instances[where]], described)
    caption = caption_of(described, rng) if shows_ground else scene.caption
    return Sample(scene.pixels[where], regions, attributes, caption)


def without_colour(sample: Sample, rng: np.random.Generator) -> Sample:
    """The picture in one random mixture of its channels, and nothing said of colours.

    Objects whose colour cannot be seen have to be told by their shapes.
    """
    if not any(one.thing in GROUNDS for one in sample.attributes):
        return sample  # its caption is about more than it shows, and so about colours
    shares = rng.dirichlet(np.ones(3)) * 256
    grey = sample.pixels @ np.rint(shares).astype(np.uint32) // 256
    pixels = np.repeat(np.minimum(grey, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    described = [
        replace(one, colour=None, thing=BACKGROUND.canonical if one.thing in GROUNDS else one.thing)
        for one in sample.attributes
    ]
    distinct = tuple(dict.fromkeys(described))
    table = np.array([distinct.index(one) for one in described])
    return Sample(pixels, table[sample.regions], distinct, caption_of(distinct, rng))


def merged_regions(
    instances: NDArray[np.integer], attributes: Sequence[Attributes]
) -> tuple[NDArray[np.int64], tuple[Attributes, ...]]:
    """Give regions that are described alike one number; instance labels start at 1."""
    distinct = list(dict.fromkeys(attributes))
    table = np.array([0, *(distinct.index(one) for one in attributes)], np.int64)
    return table[instances], tuple(distinct)


def patch_coverage(regions: NDArray[np.int64], count: int, patch_size: int) -> NDArray[np.float64]:
    """`(patches, regions)`: the share of each patch that each region covers."""
    height, width = regions.shape
    rows = np.arange(height)[:, None] // patch_size
    columns = np.arange(width)[None, :] // patch_size
    patch = rows * (width // patch_size) + columns
    patches = (height // patch_size) * (width // patch_size)
    counts = np.bincount((patch * count + regions).ravel(), minlength=patches * count)
    return counts.reshape(patches, count) / patch_size**2
