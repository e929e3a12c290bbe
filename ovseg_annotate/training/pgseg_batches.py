"""Pictures with captions, as PGSeg learns from them: generated scenes, or pairs from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ovseg_annotate.backbones.group_text import token_numbers
from ovseg_annotate.backbones.tokens import Tokenizer, tokenizer_of_folder
from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.scene import SceneRules, SceneStyle
from ovseg_annotate.errors import FormatError, OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.training.pair_files import PairFiles, random_window
from ovseg_annotate.training.scene_seeds import scene_seeds

_MARKS = 2  # tokens that are no words: start and end


@dataclass(frozen=True, slots=True, eq=False)
class PairBatch:
    """Row k of the captions is about picture k."""

    pictures: Tensor  # (pictures, 3, side, side) uint8
    captions: Tensor  # (pictures, tokens) int64
    prototypes: bool  # the second stage of the recipe
    known_by: tuple[int, ...] = ()  # numbers of pictures that come again; empty: they do not


@dataclass(frozen=True, slots=True)
class PairPictures:
    """What the pictures of a batch are."""

    pictures: int = 128  # a batch
    pool: int = 4096  # scenes that are drawn once and shown again, mirrored or not
    easy_share: float = 0.6  # of the scenes
    microscopy_share: float = 0.2
    pairs: str | None = None  # table, archive or folder of archives; None: generated scenes
    smallest_window: float = 0.08  # of the area of a picture from a file

    def __post_init__(self) -> None:
        if self.pictures < 2:
            raise OptionError(
                f"pictures: got {self.pictures}; allowed: 2 or more, for they are told apart"
            )
        if self.pool < self.pictures:
            raise OptionError(
                f"pool: got {self.pool}; allowed: at least the {self.pictures} pictures of a batch"
            )
        if not 0 < self.smallest_window <= 1:
            raise OptionError(
                f"smallest_window: got {self.smallest_window}; allowed: above 0, up to 1"
            )


@dataclass(frozen=True, slots=True, eq=False)
class CaptionedPictures:
    """What a source gives for a batch."""

    pixels: Sequence[NDArray[np.uint8]]  # (side, side, 3) each
    captions: Sequence[str]
    places: Sequence[int] = ()  # where they stand in a pool; empty: there is none


class PairSource(Protocol):
    """Where pictures come from."""

    def draw(self, number: int, count: int, rng: np.random.Generator) -> CaptionedPictures:
        """The pictures of a batch by its number."""


class PairBatches:
    """Batches by number."""

    def __init__(
        self, options: PairPictures, reading: Reading, seed: int, first_with_prototypes: int
    ) -> None:
        self._options = options
        self._reading = reading
        self._seed = seed
        self._first_with_prototypes = first_with_prototypes  # number of a batch

    def batch(self, number: int) -> PairBatch:
        rng = np.random.default_rng((self._seed, number))
        drawn = self._source.draw(number, self._options.pictures, rng)
        mirrored = rng.random(len(drawn.pixels)) < 0.5
        turned = [
            one[:, ::-1] if turn else one for one, turn in zip(drawn.pixels, mirrored, strict=True)
        ]
        return PairBatch(
            pictures=torch.from_numpy(np.stack(turned)).permute(0, 3, 1, 2).contiguous(),
            captions=self._numbers(drawn.captions),
            prototypes=number >= self._first_with_prototypes,
            known_by=tuple(
                2 * place + int(turn) for place, turn in zip(drawn.places, mirrored, strict=False)
            ),
        )

    def seeds(self, number: int) -> tuple[int, ...]:
        return (self._seed, number)

    @cached_property
    def _source(self) -> PairSource:
        options, side = self._options, self._reading.side
        if options.pairs is None:
            return ScenePool(options, side, self._seed)
        return _FromFiles(PairFiles(Path(options.pairs)), side, options.smallest_window)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return tokenizer_of_folder(self._reading.merges, self._reading.tokens)

    def _numbers(self, captions: Sequence[str]) -> Tensor:
        texts = [self._shortened(caption) for caption in captions]
        return token_numbers(texts, self._tokenizer, self._reading.tokens)

    def _shortened(self, caption: str) -> str:
        """Without the words at its end that the tower cannot read; one without words is refused."""
        words = caption.split()
        while words and len(self._tokenizer.ids(" ".join(words))) > self._reading.tokens:
            words = words[: -max(len(words) // 8, 1)]
        text = " ".join(words)
        if len(self._tokenizer.ids(text)) <= _MARKS:
            raise FormatError(
                f"the caption {caption!r} has no words that fit {self._reading.tokens} tokens; "
                "leave its picture out of the pairs"
            )
        return text


@dataclass(frozen=True, slots=True)
class Reading:
    """How pictures and captions are brought to the network."""

    side: int  # pixels, both sides
    merges: Path  # byte-pair table
    tokens: int  # a caption may have, start and end marks included


class ScenePool:
    """Scenes that are drawn on first use and kept, 28 kB each at 96 px."""

    def __init__(self, options: PairPictures, side: int, seed: int) -> None:
        self._rules = SceneRules(
            style=SceneStyle.MIXED,
            size=Size(side, side),
            pairs="seen",
            easy_share=options.easy_share,
            microscopy_share=options.microscopy_share,
        )
        self._seeds = scene_seeds((seed, 0), options.pool)
        self._kept: dict[int, tuple[NDArray[np.uint8], str]] = {}

    def draw(self, number: int, count: int, rng: np.random.Generator) -> CaptionedPictures:
        places = [int(place) for place in rng.choice(len(self._seeds), size=count, replace=False)]
        pairs = [self._scene(place) for place in places]
        return CaptionedPictures(
            [pixels for pixels, _ in pairs], [caption for _, caption in pairs], places
        )

    def _scene(self, place: int) -> tuple[NDArray[np.uint8], str]:
        if place not in self._kept:
            scene = draw_scene(self._rules, self._seeds[place])
            self._kept[place] = (scene.pixels, scene.caption)
        return self._kept[place]


class _FromFiles:
    """Random windows of pictures from files."""

    def __init__(self, files: PairFiles, side: int, smallest: float) -> None:
        self._files = files
        self._side = side
        self._smallest = smallest

    def draw(self, number: int, count: int, rng: np.random.Generator) -> CaptionedPictures:
        pairs = self._files.draw(number, count, rng)
        return CaptionedPictures(
            [random_window(pair.image.pixels, self._side, self._smallest, rng) for pair in pairs],
            [pair.text for pair in pairs],
        )
