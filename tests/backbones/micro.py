"""A tiny tower with random weights, as a folder of the kind that is bundled."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

IMAGE_SIZE = 32
PATCH_SIZE = 8
WIDTH = 64
LAYERS = 3
CONTEXT = 20
# A merges file in the original format: a version line, then one merge a line. Letters and two
# short words are enough for a tokenizer whose tower has seen nothing.
MERGES = ("c a", "ca t</w>", "d o", "do g</w>", "r e", "re d</w>")
VOCABULARY_SIZE = 512 + len(MERGES) + 2


def micro_config() -> dict[str, object]:
    """The `model_cfg` of the micro tower, in open_clip's words."""
    return {
        "embed_dim": 32,
        "vision_cfg": {
            "image_size": IMAGE_SIZE,
            "patch_size": PATCH_SIZE,
            "width": WIDTH,
            "layers": LAYERS,
            "head_width": 32,
        },
        "text_cfg": {
            "context_length": CONTEXT,
            "vocab_size": VOCABULARY_SIZE,
            "width": 32,
            "heads": 2,
            "layers": 2,
        },
    }


def write_micro_clip(folder: Path, seed: int = 0) -> Path:
    """Write config, weights, byte-pair table and card; `load_clip(str(folder))` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    config = micro_config()
    save_file(random_state(config, seed), folder / "open_clip_model.safetensors")
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess})
    )
    lines = "\n".join(("#version: micro", *MERGES))
    (folder / "bpe.txt.gz").write_bytes(gzip.compress(lines.encode(), mtime=0))
    card = {"licence": "none (random)", "short_side": 64, "templates": "plain"}
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def random_state(config: Mapping[str, object], seed: int) -> dict[str, torch.Tensor]:
    """Weights that carry information: matrices N(0, 1 / inputs), the rest as constructed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.CLIP(**config)
    state = {}
    for name, tensor in model.state_dict().items():
        if tensor.ndim < 2:
            state[name] = tensor.contiguous()
            continue
        inputs = tensor[0].numel() if name.endswith("weight") else tensor.shape[0]
        state[name] = torch.randn(tensor.shape, generator=generator) * inputs**-0.5
    return state
