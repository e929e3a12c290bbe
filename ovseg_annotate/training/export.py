"""From a run folder to a tower folder: what open_clip loads, and a card of what it is."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save

from ovseg_annotate.backbones.tokenizer_subset import (
    MERGES_FILE,
    read_merges,
    vocabulary_size,
)
from ovseg_annotate.datasets.scenes.words import all_phrases
from ovseg_annotate.errors import RunError
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.training.checkpoints import Checkpoint, last_checkpoint
from ovseg_annotate.training.mini import LARGEST_SCALE, PIXEL_MEAN, PIXEL_STD
from ovseg_annotate.training.mini_model import MiniShape
from ovseg_annotate.whole_files import write_whole

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
CARD_FILE = "card.json"
# Cells of 8 px are coarse for things of 20 to 40 px: enlarged, all held-out sets of small things
# gain 4 to 12 points of mIoU; three times and more costs the large ones more than that.
_MAGNIFICATION = 1.5
_OVERLAP = 1 / 3  # half the windows of one half, for a point or two on large pictures
_SMALL_WORDS = frozenset({"with"})


def export_mini(run_folder: Path, assets_folder: Path, shape: MiniShape | None = None) -> int:
    """Write the averaged weights of the run's last checkpoint; give the number of steps done.

    Each file is replaced in one move, so a reader never meets half a file.
    """
    checkpoint = last_checkpoint(run_folder)
    merges = (run_folder / MERGES_FILE).read_bytes()
    size = vocabulary_size(read_merges(run_folder / MERGES_FILE))
    weights = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in checkpoint.averaged.items()
    }
    unusable = [name for name, value in weights.items() if not torch.isfinite(value).all()]
    if unusable:
        raise RunError(f"weights of {run_folder} do not fit float16: {', '.join(unusable)}")
    config = json.dumps(_configuration(shape or MiniShape(), size), indent=2) + "\n"
    card = json.dumps(_card(checkpoint), indent=2) + "\n"
    with explained(assets_folder):
        write_whole(assets_folder / MERGES_FILE, merges)
        write_whole(assets_folder / WEIGHTS_FILE, save(weights))
        write_whole(assets_folder / CONFIG_FILE, config.encode("utf-8"))
        write_whole(assets_folder / CARD_FILE, card.encode("utf-8"))
    return checkpoint.step


def _card(checkpoint: Checkpoint) -> dict[str, object]:
    temperature = float(checkpoint.averaged["logit_scale"].exp())
    words = {word for phrase in all_phrases() for word in phrase.split()}
    return {
        "licence": "Apache-2.0",
        "templates": "plain",  # trained on bare phrases, now and then in a sentence
        "scale": round(min(temperature, LARGEST_SCALE), 2),
        "magnification": _MAGNIFICATION,
        "overlap": _OVERLAP,
        "trained_steps": checkpoint.step,
        "known_words": sorted(words - _SMALL_WORDS),
    }


def _configuration(shape: MiniShape, size: int) -> dict[str, object]:
    return {
        "model_cfg": {
            "embed_dim": shape.embed_dim,
            "vision_cfg": shape.vision_config,
            "text_cfg": shape.text_config(size),
        },
        "preprocess_cfg": {
            "size": [shape.image_size, shape.image_size],
            "mode": "RGB",
            "mean": list(PIXEL_MEAN),
            "std": list(PIXEL_STD),
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }
