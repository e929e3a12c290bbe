"""Pictures with captions from files, in an order that a number decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.pairs import ImageTextPair, PairLoader, pair_sources
from ovseg_annotate.errors import FormatError, OvsegError
from ovseg_annotate.geometry import Size
from ovseg_annotate.resampling import resampled

_BATCHES_OF_AN_ARCHIVE = 8  # one after the other, so that it is read once for all of them
_UNREADABLE = 0.1  # of the pairs of a batch, that are made up for by others
_WIDEST = 4 / 3  # sides of a window, in the picture


class PairFiles:
    """A table, an archive or a folder of archives; one of them is held in memory, undecoded."""

    def __init__(self, path: Path) -> None:
        # A folder without archives is told of by who reads it.
        self._files = sorted(path.glob("*.tar")) or [path]
        self._held: tuple[Path, list[tuple[str, PairLoader]]] | None = None

    def draw(self, number: int, count: int, rng: np.random.Generator) -> list[ImageTextPair]:
        """The pairs of a batch by its number; those that cannot be read are made up for."""
        choice = np.random.default_rng((number // _BATCHES_OF_AN_ARCHIVE, 1))
        sources = self._sources_of(self._files[int(choice.integers(len(self._files)))])
        spare = round(_UNREADABLE * count)
        if len(sources) < count + spare:
            order = rng.integers(len(sources), size=count + spare)
        else:
            order = rng.choice(len(sources), size=count + spare, replace=False)
        pairs: list[ImageTextPair] = []
        problem: OvsegError | None = None
        for place in order:
            name, load = sources[int(place)]
            try:
                image, text = load()
            except OvsegError as error:
                problem = error
                continue
            pairs.append(ImageTextPair(name, image, text))
            if len(pairs) == count:
                return pairs
        raise FormatError(
            f"more than {_UNREADABLE:.0%} of the pairs of a batch cannot be read, the last one "
            f"because: {problem}; repair {self._files[0].parent} or leave those pairs out"
        )

    def _sources_of(self, file: Path) -> list[tuple[str, PairLoader]]:
        if self._held is None or self._held[0] != file:
            self._held = None  # not two at a time
            sources = list(pair_sources(file))
            if not sources:
                raise FormatError(f"{file} holds no pairs; name another table or archive")
            self._held = (file, sources)
        return self._held[1]


def random_window(
    pixels: NDArray[np.uint8], side: int, smallest: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A part of a picture, of at least that share of its area, as (side, side, 3)."""
    height, width = pixels.shape[:2]
    area = height * width * rng.uniform(smallest, 1.0)
    shape = float(np.exp(rng.uniform(-np.log(_WIDEST), np.log(_WIDEST))))
    wide = float(np.clip((area * shape) ** 0.5, 1, width))
    high = float(np.clip((area / shape) ** 0.5, 1, height))
    left, top = rng.uniform(0, width - wide), rng.uniform(0, height - high)
    return resampled(pixels, (left, top, left + wide, top + high), Size(side, side))
