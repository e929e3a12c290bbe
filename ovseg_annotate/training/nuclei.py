"""Random windows of real nuclei pictures, for recipes that name a folder of them.

The validation pictures of the folder are never read here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ovseg_annotate.datasets.label_values import read_values
from ovseg_annotate.datasets.labelled import picture_of_size
from ovseg_annotate.datasets.nuclei import kind_of, validation_names
from ovseg_annotate.datasets.scenes.phrases import draw_phrase
from ovseg_annotate.datasets.scenes.scene import Attributes
from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.training.samples import Sample

_SMALLEST_SCALE, _LARGEST_SCALE = 0.35, 1.25
_NUCLEUS = Attributes(thing="nucleus")
_GROUND_OF_KIND = MappingProxyType(
    {
        "fluorescence": Attributes(thing="dark background"),
        "stained": Attributes(thing="tissue"),
        "brightfield": Attributes(thing="bright field"),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class NucleiPicture:
    kind: str
    pixels: NDArray[np.uint8]  # (height, width, 3)
    nuclei: NDArray[np.bool_]  # (height, width)


def training_names(names: Collection[str]) -> list[str]:
    return sorted(set(names) - set(validation_names(names)))


def read_nuclei(folder: Path) -> tuple[NucleiPicture, ...]:
    """Read all training pictures of the folder."""
    names = training_names([path.name for path in (folder / "images").glob("*.png")])
    if not names:
        raise OptionError(
            f"no pictures in {folder / 'images'}; name a folder with images/ and labels/, or "
            "leave the option out to train without real pictures"
        )
    return tuple(_read_one(folder, name) for name in names)


def draw_nuclei_window(
    pictures: tuple[NucleiPicture, ...], side: int, rng: np.random.Generator
) -> Sample:
    """A square window of a picture of a random kind, at a random scale, turned and mirrored."""
    picture = _drawn_picture(pictures, rng)
    scale = np.exp(rng.uniform(np.log(_SMALLEST_SCALE), np.log(_LARGEST_SCALE)))
    height, width = picture.nuclei.shape
    source = min(round(side / scale), height, width)
    top, left = int(rng.integers(height - source + 1)), int(rng.integers(width - source + 1))
    rows, columns = slice(top, top + source), slice(left, left + source)
    pixels = _resized(picture.pixels[rows, columns], side, Image.Resampling.BOX)
    covered = picture.nuclei[rows, columns].astype(np.uint8) * 255
    mask = _resized(covered, side, Image.Resampling.BOX)
    return _turned(pixels, mask >= 128, _GROUND_OF_KIND[picture.kind], rng)


def _drawn_picture(pictures: tuple[NucleiPicture, ...], rng: np.random.Generator) -> NucleiPicture:
    """Rare kinds are drawn more often than their number, but less than evenly."""
    by_kind: dict[str, list[NucleiPicture]] = {}
    for picture in pictures:
        by_kind.setdefault(picture.kind, []).append(picture)
    groups = list(by_kind.values())
    shares = np.sqrt([len(group) for group in groups])
    group = groups[int(rng.choice(len(groups), p=shares / shares.sum()))]
    return group[int(rng.integers(len(group)))]


def _turned(
    pixels: NDArray[np.uint8],
    nuclei: NDArray[np.bool_],
    ground: Attributes,
    rng: np.random.Generator,
) -> Sample:
    turns = int(rng.integers(4))
    pixels, nuclei = np.rot90(pixels, turns), np.rot90(nuclei, turns)
    if rng.random() < 0.5:
        pixels, nuclei = pixels[:, ::-1], nuclei[:, ::-1]
    # Many fluorescence pictures use a tenth of the range; show them as stretched ones, too.
    largest_gain = max(1.25, 230.0 / max(int(pixels.max()), 1))
    gain = np.exp(rng.uniform(np.log(0.8), np.log(min(largest_gain, 8.0))))
    pixels = np.clip(pixels * gain + rng.uniform(-12, 12), 0, 255).astype(np.uint8)
    said, behind = draw_phrase(_NUCLEUS, rng).text, draw_phrase(ground, rng).text
    attributes = (ground, _NUCLEUS) if nuclei.any() else (ground,)
    caption = f"{said} on {behind}" if nuclei.any() else f"a picture of {behind}"
    return Sample(pixels, nuclei.astype(np.int64), attributes, caption)


def _resized(array: NDArray[np.uint8], side: int, method: Image.Resampling) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(np.ascontiguousarray(array)).resize((side, side), method))


def _read_one(folder: Path, name: str) -> NucleiPicture:
    kind = kind_of(name)
    if kind not in _GROUND_OF_KIND:
        raise OptionError(
            f"{folder / 'images' / name}: unknown kind {kind!r}; file names start with "
            f"{', '.join(_GROUND_OF_KIND)}"
        )
    nuclei = read_values(folder / "labels" / name) > 0
    image = picture_of_size(folder / "images" / name, Size(*nuclei.shape), folder / "labels" / name)
    return NucleiPicture(kind, image.pixels, nuclei)
