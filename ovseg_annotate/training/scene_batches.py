"""Where the bundled model's batches come from: generated scenes, and real nuclei if named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ovseg_annotate.backbones.tokenizer_subset import subset_tokenizer
from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.scene import SceneRules, SceneStyle
from ovseg_annotate.geometry import Size
from ovseg_annotate.training.mini_model import MiniShape
from ovseg_annotate.training.nuclei import NucleiPicture, draw_nuclei_window, read_nuclei
from ovseg_annotate.training.region_batches import PhraseRules, RegionBatch, assemble
from ovseg_annotate.training.samples import (
    Sample,
    random_window,
    whole_sample,
    window_on_object,
    window_sample,
    without_colour,
)
from ovseg_annotate.training.scene_seeds import scene_seeds

_WINDOWS_OF_A_SCENE = 2  # of a focused batch: half the drawing for the same number of windows
_FOCUS_MICROSCOPY = 0.1  # microscopic things have no shapes to learn
_SMALLEST_OBJECTS, _LARGEST_OBJECTS = 0.8, 2.0


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """What the pictures of a batch are."""

    pictures: int = 32  # a batch of whole pictures
    focus_share: float = 0.6  # of the batches: small windows with an object in their middle
    focus_pictures: int = 96  # such a batch
    focus_side: int = 48  # pixels
    colourless_share: float = 0.3  # of the small windows: one channel, nothing said of colours
    easy_share_first: float = 0.75  # of the generated scenes, at the first step
    easy_share_last: float = 0.45  # at the last step
    window_share: float = 0.3  # of the generated pictures: a window of a larger scene
    nuclei_folder: str | None = None  # real nuclei pictures; None: generated scenes only
    nuclei_share: float = 0.12  # of the pictures, where a folder is given
    hard_negatives: int = 32  # phrases a batch
    random_negatives: int = 16  # phrases a batch


class SceneBatches:
    """Batches of generated scenes, and of nuclei windows where a folder is given."""

    def __init__(
        self, options: PictureOptions, shape: MiniShape, merges_file: Path, seed: int, batches: int
    ) -> None:
        self._options = options
        self._shape = shape
        self._merges_file = merges_file
        self._seed = seed
        self._batches = batches  # how many the curriculum is spread over

    def batch(self, number: int) -> RegionBatch:
        options = self._options
        rules = self._rules(number)
        rng = np.random.default_rng((self._seed, number, 1))
        draw = self._focused if self._is_focused(number) else self._whole
        batch = assemble(
            [sample for seed in self.seeds(number) for sample in draw(rules, seed)],
            self._tokenizer,
            self._shape.patch_size,
            PhraseRules(options.hard_negatives, options.random_negatives),
            rng,
        )
        spare = self._shape.grid - batch.pictures.shape[-1] // self._shape.patch_size
        return replace(batch, corner=(int(rng.integers(spare + 1)), int(rng.integers(spare + 1))))

    def seeds(self, number: int) -> tuple[int, ...]:
        options = self._options
        focused = options.focus_pictures // _WINDOWS_OF_A_SCENE
        count = focused if self._is_focused(number) else options.pictures
        return scene_seeds((self._seed, number, 0), count)

    def _whole(self, rules: SceneRules, seed: int) -> list[Sample]:
        rng = np.random.default_rng((seed, 2))
        if self._nuclei and rng.random() < self._options.nuclei_share:
            return [draw_nuclei_window(self._nuclei, self._shape.image_size, rng)]
        if rng.random() >= self._options.window_share:
            return [whole_sample(draw_scene(rules, seed))]
        scene = draw_scene(_wider(rules, rng), seed)
        return [window_sample(scene, random_window(scene, rules.size.height, rng), rng)]

    def _is_focused(self, number: int) -> bool:
        # Shapes are learnt from patches of objects, and most of a whole picture is ground.
        return np.random.default_rng((self._seed, number, 3)).random() < self._options.focus_share

    def _focused(self, rules: SceneRules, seed: int) -> list[Sample]:
        rng = np.random.default_rng((seed, 2))
        side = self._options.focus_side
        size = Size(side * 4 // 3, side * 4 // 3)
        scene = draw_scene(replace(rules, size=size, microscopy_share=_FOCUS_MICROSCOPY), seed)
        windows = [window_on_object(scene, side, rng) for _ in range(_WINDOWS_OF_A_SCENE)]
        samples = [window_sample(scene, window, rng) for window in windows]
        share = self._options.colourless_share
        return [without_colour(one, rng) if rng.random() < share else one for one in samples]

    def _rules(self, number: int) -> SceneRules:
        first, last = self._options.easy_share_first, self._options.easy_share_last
        progress = min(number / max(self._batches, 1), 1.0)
        side = self._shape.image_size
        return SceneRules(
            style=SceneStyle.MIXED,
            size=Size(side, side),
            pairs="seen",
            easy_share=first + (last - first) * progress,
        )

    @cached_property
    def _tokenizer(self) -> Any:
        return subset_tokenizer(self._merges_file, self._shape.context_length)

    @cached_property
    def _nuclei(self) -> tuple[NucleiPicture, ...]:
        folder = self._options.nuclei_folder
        return () if folder is None else read_nuclei(Path(folder))


def _wider(rules: SceneRules, rng: np.random.Generator) -> SceneRules:
    """A scene to cut a window from, as a large picture is cut up at run time."""
    side = rules.size.height * 3 // 2
    scale = float(np.exp(rng.uniform(np.log(_SMALLEST_OBJECTS), np.log(_LARGEST_OBJECTS))))
    return replace(rules, size=Size(side, side), object_scale=scale)
