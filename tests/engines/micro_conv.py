"""A tiny tower of convolutions with random weights, as a folder."""

from __future__ import annotations

import json
from pathlib import Path

from backbones.micro import micro_config, random_state, write_micro_clip
from safetensors.torch import save_file


def write_micro_conv(folder: Path, seed: int = 0) -> Path:
    """Like `write_micro_clip`, with the smallest ConvNeXt that timm has."""
    write_micro_clip(folder, seed)
    config = micro_config() | {
        "vision_cfg": {
            "timm_model_name": "convnext_zepto_rms",
            "timm_model_pretrained": False,
            "timm_pool": "",
            "timm_proj": "linear",
            "image_size": 64,
        }
    }
    save_file(random_state(config, seed), folder / "open_clip_model.safetensors")
    file = folder / "open_clip_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_cfg": config}))
    return folder
