"""The checkpoints of CAT-Seg, and of systems that are built on it, in our names.

They hold a CLIP whose queries and values were trained further, the trunk, and perhaps more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ovseg_annotate.backbones.checkpoints import read_state
from ovseg_annotate.errors import WeightsError

_PREDICTOR = "sem_seg_head.predictor."
_TOWER = _PREDICTOR + "clip_model."
_TRUNK = _PREDICTOR + "transformer."
# Of the pixels' normalisation, which our cards tell, and masks that are made for each grid.
_LEFT_OUT = re.compile(r"^(clip_)?pixel_(mean|std)$|\.attn_mask$")
_SPLIT = re.compile(r"^(.*\.attn\.)([qkv])_proj_weight$")
_BLOCK = r"layers.\1.spatial.blocks."

# Their names, after the prefix, and ours. A name goes through all rules, in this order.
_RENAMED = (
    (r"^upsample1\.", "guidance.enlarge.0."),
    (r"^upsample2\.", "guidance.enlarge.1."),
    (r"^conv1\.", "embedding."),
    (r"^guidance_projection\.", "guidance.visual."),
    (r"^text_guidance_projection\.", "guidance.text."),
    (r"^decoder_guidance_projection\.", "guidance.decoder."),
    (r"^head\.", "decoder.head."),
    (r"^decoder1\.", "decoder.first."),
    (r"^decoder2\.", "decoder.second."),
    (r"^(decoder\.\w+)\.up\.", r"\1.enlarge."),
    (r"^(decoder\.\w+)\.conv\.double_conv\.0\.", r"\1.first."),
    (r"^(decoder\.\w+)\.conv\.double_conv\.1\.", r"\1.norm1."),
    (r"^(decoder\.\w+)\.conv\.double_conv\.3\.", r"\1.second."),
    (r"^(decoder\.\w+)\.conv\.double_conv\.4\.", r"\1.norm2."),
    (r"^layers\.(\d+)\.swin_block\.guidance_norm\.", r"layers.\1.spatial.norm."),
    (r"^layers\.(\d+)\.swin_block\.block_1\.", _BLOCK + "0."),
    (r"^layers\.(\d+)\.swin_block\.block_2\.", _BLOCK + "1."),
    (r"(\.blocks\.\d)\.mlp\.fc1\.", r"\1.rest.0."),
    (r"(\.blocks\.\d)\.mlp\.fc2\.", r"\1.rest.2."),
    (r"^layers\.(\d+)\.attention\.", r"layers.\1.mixing."),
    (r"\.mixing\.padding_tokens$", ".mixing.pad_token"),
    (r"\.mixing\.padding_guidance$", ".mixing.pad_guide"),
    (r"\.mixing\.MLP\.", ".mixing.rest."),
    (r"\.(?:attn|attention)\.q\.", ".queries."),
    (r"\.(?:attn|attention)\.k\.", ".keys."),
    (r"\.(?:attn|attention)\.v\.", ".values."),
    (r"\.attn\.proj\.", ".merge."),
)
_OURS = re.compile(r"^(guidance|embedding|decoder\.\w+|layers\.\d+\.(spatial|mixing))\.")


@dataclass(frozen=True, slots=True, eq=False)
class CatSegCheckpoint:
    """The parts of a checkpoint, each as named tensors."""

    tower: Mapping[str, Tensor]  # open_clip's names, image and text
    trunk: Mapping[str, Tensor]  # the names of `cost.trunk.CostTrunk`
    further: Mapping[str, Tensor]  # what a system adds, by its published names


def read_catseg_checkpoint(file: Path) -> CatSegCheckpoint:
    """Read a file of detectron2's kind; nothing in it is run."""
    tower: dict[str, Tensor] = {}
    trunk: dict[str, Tensor] = {}
    further: dict[str, Tensor] = {}
    for name, weights in read_state(file).items():
        if _LEFT_OUT.search(name):
            continue
        if name.startswith(_TOWER):
            tower[name.removeprefix(_TOWER)] = weights
        elif renamed := _trunk_name(name):
            trunk[renamed] = weights
        else:
            further[name.removeprefix(_PREDICTOR)] = weights
    if not tower or not trunk:
        first = next(iter(further), "nothing")
        raise WeightsError(
            f"{file} is no checkpoint of CAT-Seg or of a system built on it: expected tensors "
            f"named {_TOWER}... and {_TRUNK}..., the first other one is {first}; choose the "
            "file that was published or trained with that system"
        )
    return CatSegCheckpoint(_with_fused_attention(tower, file), trunk, further)


def _trunk_name(name: str) -> str | None:
    """Our name of one of the trunk's tensors, or None for what belongs to something else."""
    if name.startswith(_TRUNK):
        name = name.removeprefix(_TRUNK)
    elif not name.startswith(("upsample1.", "upsample2.")):
        return None
    for theirs, ours in _RENAMED:
        name = re.sub(theirs, ours, name)
    return name if _OURS.match(name) else None


def _with_fused_attention(tower: Mapping[str, Tensor], file: Path) -> dict[str, Tensor]:
    """Queries, keys and values were split to train two of them; open_clip has them in one."""
    fused: dict[str, Tensor] = {}
    for name, weights in tower.items():
        split = _SPLIT.match(name)
        if split is None:
            fused[name] = weights
            continue
        block, part = split.groups()
        if part == "q":
            parts = [tower.get(f"{block}{each}_proj_weight") for each in "qkv"]
            present = [each for each in parts if each is not None]
            if len(present) < len(parts):
                raise WeightsError(
                    f"{file}: {_TOWER}{block} lacks one of its q, k and v weights; the file is "
                    "damaged, fetch it again"
                )
            fused[f"{block}in_proj_weight"] = torch.cat(present)
    return fused
