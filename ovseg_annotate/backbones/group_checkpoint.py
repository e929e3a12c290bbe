"""Weights that the authors of PGSeg and GroupViT published, as our network names them.

Their files may be used for what their licence allows, which is not commercial use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ovseg_annotate.backbones.checkpoints import read_state
from ovseg_annotate.backbones.group_vit import GroupSizes
from ovseg_annotate.errors import OptionError, WeightsError

_HEAD_WIDTH = 64  # the published networks have no other, and no tensor tells

# Beginnings of names, then pieces of them; in this order.
_BEGINNINGS = {
    "img_encoder.mapping_text.": "words_of_groups.",
    "img_encoder.logit_scale": "image.npr_scale",
    "img_encoder.": "image.",
    "img_projector.": "image_projection.",
    "text_encoder.Atten.mu": "word_memory.means",
    "text_encoder.": "text.tower.",
    "text_projector.": "text_projection.",
    "logit_scale": "log_scale",
}
_PIECES = {
    "patch_embed.proj.": "embed.",
    "patch_embed.norm.": "embed_norm.",
    "pos_embed": "positions",
    "layers.": "stages.",
    "group_token": "group_tokens",
    "group_projector.0.": "carry_norm.",
    "group_projector.1.": "carry.",
    "downsample_spatial.mu": "memory.means",
    "downsample_spatial.mapping_x.": "reconstruct.",
    "linear_hidden.0.": "first.",
    "linear_hidden.1.": "norm.",
    "linear_out.": "second.",
    "fc1.": "first.",
    "fc2.": "second.",
    "downsample.norm_tokens.": "grouping.norm_groups.",
    "downsample.norm_post_tokens.": "grouping.norm_mixed.",
    "downsample.norm_x.": "grouping.norm_tokens.",
    "downsample.norm_new_x.": "grouping.norm_segments.",
    "downsample.mlp_inter.": "grouping.mix.",
    "downsample.mlp_channels.": "grouping.feed.",
    "downsample.pre_assign_attn.norm_post.": "grouping.norm_centres.",
    "downsample.pre_assign_attn.norm2.": "grouping.norm_rest.",
    "downsample.pre_assign_attn.mlp.": "grouping.rest.",
    "downsample.pre_assign_attn.attn.": "grouping.look.",
    "downsample.assign.proj.": "grouping.merge.",
    "downsample.assign.": "grouping.",
    "q_proj.": "queries.",
    "k_proj.": "keys.",
    "v_proj.": "values.",
    "attn.qkv.": "qkv.",
}
_VISION_ATTENTION = ("attn.proj.", "proj.")  # the text's attention keeps its names
_UNREAD = ("multi_label_logit_scale",)


@dataclass(frozen=True, slots=True, eq=False)
class GroupCheckpoint:
    """A file, understood."""

    state: Mapping[str, Tensor]  # by our names
    sizes: GroupSizes
    prototypes: bool  # False: a plain GroupViT


def read_group_checkpoint(file: Path, heads: int | None = None) -> GroupCheckpoint:
    """Read and rename; `heads` where the network is not one of the published ones."""
    published = {renamed(name): value for name, value in read_state(file).items()}
    state = {
        name: flattened(value) if name.endswith(".weight") else value
        for name, value in published.items()
        if name not in _UNREAD
    }
    if "image.positions" not in state or "text.tower.positional_embedding" not in state:
        raise WeightsError(
            f"{file} is no checkpoint of PGSeg or GroupViT: it has no img_encoder.pos_embed or no "
            f"text_encoder.positional_embedding; it begins with {', '.join(sorted(state)[:3])}"
        )
    try:
        sizes = _sizes_of(state, heads)
    except KeyError as error:
        raise WeightsError(f"{file}: the tensor {error} is missing; fetch the file again") from None
    except OptionError as error:
        raise WeightsError(f"{file} is of another network: {error}") from error
    means = state.get("word_memory.means")
    # The released text prototypes are 8 single numbers, a defect; ours are words.
    if means is not None and means.shape[-1] != sizes.text_width:
        del state["word_memory.means"]
    return GroupCheckpoint(state, sizes, prototypes="image.stages.0.memory.means" in state)


def renamed(name: str) -> str:
    """A published name as ours."""
    name = name.removeprefix("module.")
    beginning = next((each for each in _BEGINNINGS if name.startswith(each)), None)
    if beginning is None:
        return name
    rest = name.removeprefix(beginning)
    if beginning != "text_encoder.":
        for theirs, ours in _PIECES.items():
            rest = rest.replace(theirs, ours)
        if ".blocks." in rest:
            rest = rest.replace(*_VISION_ATTENTION)
    return _BEGINNINGS[beginning] + rest


def flattened(weights: Tensor) -> Tensor:
    """A convolution over one cell is a linear layer."""
    return weights.squeeze(2) if weights.ndim == 3 and weights.shape[2] == 1 else weights


def _sizes_of(state: Mapping[str, Tensor], heads: int | None) -> GroupSizes:
    _, cells, width = state["image.positions"].shape
    patch = state["image.embed.weight"].shape[2]
    tokens, text_width = state["text.tower.positional_embedding"].shape
    return GroupSizes(
        image=round(cells**0.5) * patch,
        patch=patch,
        width=width,
        heads=heads or max(width // _HEAD_WIDTH, 1),
        depths=(_depth(state, 0), _depth(state, 1), _depth(state, 2)),
        groups=(
            state["image.stages.0.grouping.mix.second.weight"].shape[0],
            state["image.stages.1.grouping.mix.second.weight"].shape[0],
        ),
        hidden=state["image_projection.first.weight"].shape[0],
        shared=state["image_projection.second.weight"].shape[0],
        text_width=text_width,
        text_heads=max(text_width // _HEAD_WIDTH, 1),
        text_layers=_count(state, "text.tower.transformer.resblocks."),
        text_tokens=tokens,
        vocabulary=state["text.tower.token_embedding.weight"].shape[0],
    )


def _depth(state: Mapping[str, Tensor], stage: int) -> int:
    return _count(state, f"image.stages.{stage}.blocks.")


def _count(state: Mapping[str, Tensor], beginning: str) -> int:
    """How many numbered parts there are behind a beginning."""
    numbers = {
        name.removeprefix(beginning).partition(".")[0]
        for name in state
        if name.startswith(beginning)
    }
    return len(numbers)
