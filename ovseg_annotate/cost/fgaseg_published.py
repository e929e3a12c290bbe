"""Published FGAseg weights in our names, and which head they belong to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ovseg_annotate.backbones.catseg_checkpoint import CatSegCheckpoint
from ovseg_annotate.cost.fgaseg_options import FgasegOptions
from ovseg_annotate.cost.options import TrunkSizes
from ovseg_annotate.cost.published import sizes_of
from ovseg_annotate.errors import WeightsError

# Their names and ours. A name goes through all rules, in this order.
_RENAMED = (
    (r"^DCDT\.gamma_text$", "pixel_text.share"),
    (r"^DCDT\.cross_atten_text\.(\d+)\.multihead_attn\.", r"pixel_text.layers.\1.attention."),
    (r"^DCDT\.cross_atten_text\.(\d+)\.norm\.", r"pixel_text.layers.\1.norm."),
    (r"^DCDT\.cross_atten_text\.(\d+)\.MLP\.", r"pixel_text.layers.\1.merge."),
    (r"^transformer\.conv2\.", "local.embedding."),
    (r"^transformer\.Local_align\.txt\.", "local.alignment.kernels.project."),
    (r"^transformer\.conv_cat\.", "local.fusion.layer."),
    (r"^transformer\.conv_cat_decoder_1\.", "local.injection.before.layer."),
    (r"^transformer\.conv_cat_decoder_2\.", "local.injection.after.layer."),
    (r"^transformer\.corr_local_decoder_projection\.0\.", "local.injection.enlarging.enlarge."),
    (r"^transformer\.corr_local_decoder_projection\.1\.double_conv\.", "local.injection.#"),
    (r"^local\.injection\.#0\.", "local.injection.enlarging.first."),
    (r"^local\.injection\.#1\.", "local.injection.enlarging.norm1."),
    (r"^local\.injection\.#3\.", "local.injection.enlarging.second."),
    (r"^local\.injection\.#4\.", "local.injection.enlarging.norm2."),
    (r"^transformer\.head_auxi_(\d)\.", r"auxiliary.heads.\1."),
    (r"^proj\.vis\.1\.", "align.first."),
    (r"^proj\.vis\.3\.", "align.second."),
    (r"^proj\.vis\.4\.", "align.last."),
    (r"^proj\.txt\.", "align.kernels.project."),
)
_OURS = re.compile(r"^(pixel_text|local|auxiliary|align)\.")
_NEEDED = ("pixel_text.share", "local.alignment.kernels.project.weight")


@dataclass(frozen=True, slots=True, eq=False)
class FgasegWeights:
    """The weights of a `fgaseg_head.FgasegHead`, and what makes one that they fit."""

    options: FgasegOptions
    head: Mapping[str, Tensor]


def fgaseg_weights(checkpoint: CatSegCheckpoint, file: Path) -> FgasegWeights:
    """The head of a checkpoint, without what only its training needs; `file` is for messages."""
    added: dict[str, Tensor] = {}
    for theirs, weights in checkpoint.further.items():
        ours = _our_name(theirs)
        if ours is None:
            raise WeightsError(
                f"{file} is no checkpoint of FGAseg: it has no place for the tensor {theirs}; "
                "open it with the engine that it was trained with"
            )
        added[ours] = weights
    for name in _NEEDED:
        if name not in added:
            raise WeightsError(
                f"{file} is no checkpoint of FGAseg: it lacks {name}; weights of the plain trunk "
                "are opened with catseg"
            )
    trunk = {f"trunk.{name}": weights for name, weights in checkpoint.trunk.items()}
    answering = {name: each for name, each in added.items() if not name.startswith("align.")}
    options = _options_of(answering, sizes_of(checkpoint.trunk))
    return FgasegWeights(options, {**trunk, **answering})


def _our_name(theirs: str) -> str | None:
    name = theirs
    for pattern, ours in _RENAMED:
        name = re.sub(pattern, ours, name)
    return name if _OURS.match(name) else None


def _options_of(added: Mapping[str, Tensor], sizes: TrunkSizes) -> FgasegOptions:
    """Read off the weights; what leaves no trace is as published."""
    kernels, width = added["local.alignment.kernels.project.weight"].shape
    layers = {name.split(".")[2] for name in added if name.startswith("pixel_text.layers.")}
    return FgasegOptions(
        sizes=sizes,
        text_layers=len(layers),
        local_side=round(((kernels - 1) / width) ** 0.5),
        fusion="cat" if "local.fusion.layer.weight" in added else "add",
        injection="local.injection.enlarging.enlarge.weight" in added,
        auxiliary="auxiliary.heads.0.weight" in added,
        align_weight=0.0,
    )
