"""Building an open_clip network from its configuration, and choosing the adapter for it."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from ovseg_annotate.backbones.conv import ConvNextVision
from ovseg_annotate.backbones.eva import EvaVision
from ovseg_annotate.backbones.kinds import Configuration, TowerKind, require_kind
from ovseg_annotate.backbones.open_clip_vit import OpenClipVision
from ovseg_annotate.backbones.text import OpenClipText
from ovseg_annotate.backbones.timm_vit import (
    TimmVision,
    attention_pool_projection,
    class_token_projection,
)
from ovseg_annotate.backbones.tokens import DEFAULT_CONTEXT, Tokenizer
from ovseg_annotate.backbones.tower import Clip, ConvTower, TowerCard, VisionTower
from ovseg_annotate.errors import ModelError
from ovseg_annotate.geometry import Size

_CONVOLUTION_SCALE = 0.02
_BARE_PROJECTIONS = ("proj", "projection")
_VECTORS = ("class_embedding", "cls_emb")
_SCALES = ("weight", "gamma", "running_var")


def fresh_network(configuration: Configuration) -> nn.Module:
    """A native open_clip network with the library's own first numbers, to be trained."""
    network: nn.Module = open_clip.CLIP(**copy.deepcopy(dict(configuration)))
    return network


def build_network(name: str, configuration: Configuration) -> nn.Module:
    """An open_clip network without numbers: fill it from a file or at random.

    Constructors draw random numbers that are thrown away, seconds for a large tower, and move the
    caller's random state. On torch's meta device they draw none.
    """
    require_kind(name, configuration)
    wanted: dict[str, Any] = copy.deepcopy(dict(configuration))
    custom_text = wanted.pop("custom_text", False)
    reads_with_hub = bool(wanted["text_cfg"].get("hf_model_name"))
    if reads_with_hub:
        _require_transformers(name, wanted["text_cfg"]["hf_model_name"])
        wanted["text_cfg"]["hf_model_pretrained"] = False  # the weights file has that tower too
    kind: type[nn.Module] = open_clip.CLIP
    if custom_text or reads_with_hub:
        kind = open_clip.CoCa if "multimodal_cfg" in wanted else open_clip.CustomTextCLIP
    try:
        if reads_with_hub:  # that library keeps buffers that nobody else can remake
            with torch.random.fork_rng(devices=[]):
                network = kind(**wanted)
        else:
            with torch.device("meta"):
                network = kind(**wanted)
            network.to_empty(device="cpu")
            _remake_buffers(network)
    except (TypeError, ValueError, AssertionError) as error:
        raise ModelError(
            f"open_clip cannot build {name} ({error}); correct its configuration"
        ) from error
    return network.eval().requires_grad_(requires_grad=False)


def _require_transformers(name: str, tower: str) -> None:
    if find_spec("transformers") is None:
        raise ModelError(
            f"{name} has the text tower {tower}, which needs the transformers library; install it "
            "(pip install transformers sentencepiece) or choose a configuration with a CLIP text "
            "tower, such as ViT-B-16-quickgelu/openai"
        )


def _remake_buffers(network: nn.Module) -> None:
    """Buffers that no weights file holds: causal masks, and timm's own."""
    for module in network.modules():
        mask = getattr(module, "attn_mask", None)
        if isinstance(mask, Tensor):
            mask.fill_(float("-inf")).triu_(1)
        remake = getattr(module, "init_non_persistent_buffers", None)
        if remake is not None:
            remake()


@torch.no_grad()
def fill_at_random(network: nn.Module, seed: int) -> None:
    """Weights with which queries, keys and values carry information: N(0, 1 / inputs).

    What has one dimension gets its usual start: ones that scale, zeros that shift.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, weights in network.state_dict().items():
        if weights.ndim == 4:
            weights.normal_(0.0, _CONVOLUTION_SCALE, generator=generator)
        elif weights.ndim > 1 or name.endswith(_VECTORS):
            # A bare projection multiplies from the right; torch's layers keep outputs first.
            inputs = weights.shape[0 if name.endswith(_BARE_PROJECTIONS) else -1]
            weights.normal_(0.0, inputs**-0.5, generator=generator)
        else:
            weights.fill_(1 if name.endswith(_SCALES) else 0)


def context_of(configuration: Configuration) -> int:
    """Tokens its text tower reads, start and end marks included."""
    return int(configuration["text_cfg"].get("context_length", DEFAULT_CONTEXT))


def card_of(
    name: str, configuration: Configuration, network: Any, digest: str, licence: str
) -> TowerCard:
    """What the network itself tells; pixels are normalised as OpenAI did unless known better."""
    return TowerCard(
        name=name,
        window=Size(*network.visual.image_size),
        stride=_stride_of(require_kind(name, configuration), network),
        width=configuration["embed_dim"],
        mean=open_clip.OPENAI_DATASET_MEAN,
        std=open_clip.OPENAI_DATASET_STD,
        half_precision=True,
        weights_digest=digest,
        licence=licence,
    )


def clip_of(
    network: Any, configuration: Configuration, card: TowerCard, tokenizer: Tokenizer
) -> Clip:
    """Divide a network into its two towers behind the adapters of its kind."""
    kind = require_kind(card.name, configuration)
    visual = network.visual
    del network.visual  # what is left is the text tower: the two halves can move apart
    return Clip(
        card=card,
        vision=_vision_of(kind, visual, card),
        text=OpenClipText(network, tokenizer, context_of(configuration)),
        modules=(visual, network),
    )


def _vision_of(kind: TowerKind, visual: Any, card: TowerCard) -> VisionTower | ConvTower:
    match kind:
        case TowerKind.VIT | TowerKind.CLIPA:
            return OpenClipVision(visual, card)
        case TowerKind.SIGLIP:
            return TimmVision(visual, card, attention_pool_projection)
        case TowerKind.EVA:
            return EvaVision(visual, card)
        case TowerKind.TIMM_VIT:
            return TimmVision(visual, card, class_token_projection)
        case TowerKind.CONVNEXT:
            return ConvNextVision(visual, card)


def _stride_of(kind: TowerKind, network: Any) -> int:
    """Pixels a token covers; towers with oblong patches are refused."""
    visual = network.visual
    match kind:
        case TowerKind.VIT | TowerKind.CLIPA:
            height, width = visual.patch_size
        case TowerKind.CONVNEXT:
            height = width = visual.trunk.feature_info[-1]["reduction"]
        case _:
            height, width = visual.trunk.patch_embed.feat_ratio(as_scalar=False)
    if height != width:
        raise ModelError(f"expected square patches, got {height} x {width}; choose another tower")
    return int(height)
