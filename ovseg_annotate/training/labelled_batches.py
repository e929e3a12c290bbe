"""Windows of labelled photographs, asked with all names of their data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageEnhance

from ovseg_annotate.datasets.catalogue import open_training_set
from ovseg_annotate.datasets.labelled import ProtocolPicture, pictures_of
from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.label_map import UNLABELLED
from ovseg_annotate.training.head_batches import HeadBatch

_FEWEST = 2  # names of a data set; with one there is nothing to tell apart


@dataclass(frozen=True, slots=True)
class LabelledPictures:
    """Which photographs, and what is done with them."""

    name: str  # of a public data set, such as coco-stuff
    folder: str = ""  # where it lies; ovseg train --data
    windows: int = 4  # a batch
    colours: float = 0.3  # how far brightness, contrast and saturation are moved, either way
    hue: float = 0.05  # of a full turn, either way

    def __post_init__(self) -> None:
        if self.windows < 1:
            raise OptionError(f"windows: got {self.windows}; allowed: 1 or more")
        for name, most in (("colours", 0.9), ("hue", 0.5)):
            if not 0 <= getattr(self, name) <= most:
                raise OptionError(f"{name}: got {getattr(self, name):g}; allowed: 0 to {most:g}")


class LabelledWindows:
    """Batches of a public training split: a pure function of seed and number."""

    def __init__(self, options: LabelledPictures, window: Size, seed: int) -> None:
        if not options.folder:
            raise OptionError(
                f"data: {options.name} needs its folder; say ovseg train RECIPE --data FOLDER"
            )
        self._labelled = open_training_set(options.name, Path(options.folder))
        self._options = options
        self._window = window
        self._seed = seed
        protocol = self._labelled.protocol
        self._phrases = tuple((*concept.phrases, concept.name)[0] for concept in protocol.concepts)
        if len(self._phrases) < _FEWEST:
            raise OptionError(
                f"data: {options.name} in {options.folder} has {len(self._phrases)} names to "
                f"learn; a head needs {_FEWEST} or more: unpack the data again"
            )

    def batch(self, number: int) -> HeadBatch:
        rng = np.random.default_rng((self._seed, number, 1))
        files = [self._labelled.files[place] for place in self.seeds(number)]
        windows = [
            self._cut(picture, rng) for picture in pictures_of(self._labelled.protocol, files)
        ]
        return HeadBatch(
            torch.from_numpy(np.stack([pixels for pixels, _ in windows])).permute(0, 3, 1, 2),
            torch.from_numpy(np.stack([labels for _, labels in windows])),
            (self._phrases,) * len(windows),
        )

    def seeds(self, number: int) -> tuple[int, ...]:
        """The places of the pictures: every one once, in a new order each time through."""
        count, windows = len(self._labelled.files), self._options.windows
        places = range(number * windows, (number + 1) * windows)
        return tuple(self._order(place // count)[place % count] for place in places)

    def _order(self, epoch: int) -> tuple[int, ...]:
        rng = np.random.default_rng((self._seed, epoch, 0))
        return tuple(int(place) for place in rng.permutation(len(self._labelled.files)))

    def _cut(
        self, picture: ProtocolPicture, rng: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The short side brought to the window's, then a window somewhere, mirrored or not."""
        size = self._window
        height, width = picture.labels.shape
        factor = max(size.height / height, size.width / width)
        scaled = Size(
            max(round(height * factor), size.height), max(round(width * factor), size.width)
        )
        pixels = Pillow.fromarray(picture.pixels).resize((scaled.width, scaled.height))
        labels = Pillow.fromarray(picture.labels).resize(
            (scaled.width, scaled.height), Pillow.Resampling.NEAREST
        )
        top = int(rng.integers(scaled.height - size.height + 1))
        left = int(rng.integers(scaled.width - size.width + 1))
        box = (left, top, left + size.width, top + size.height)
        seen = np.asarray(self._coloured(pixels.crop(box), rng))
        truth = np.asarray(labels.crop(box)).astype(np.int64)
        truth[truth > len(self._phrases)] = UNLABELLED  # pixels that do not count
        if rng.random() < 0.5:
            seen, truth = seen[:, ::-1], truth[:, ::-1]
        return np.ascontiguousarray(seen), np.ascontiguousarray(truth)

    def _coloured(self, window: Pillow.Image, rng: np.random.Generator) -> Pillow.Image:
        reach, hue = self._options.colours, self._options.hue
        for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            window = change(window).enhance(float(rng.uniform(1 - reach, 1 + reach)))
        turn = round(float(rng.uniform(-hue, hue)) * 256)
        if not turn:
            return window
        bands = list(window.convert("HSV").split())
        bands[0] = bands[0].point([(value + turn) % 256 for value in range(256)])
        return Pillow.merge("HSV", bands).convert("RGB")
