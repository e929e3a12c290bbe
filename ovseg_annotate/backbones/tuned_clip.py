"""The CLIP that a checkpoint of CAT-Seg, or of a system built on it, holds: tuned with its head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import open_clip
from torch import Tensor

from ovseg_annotate.backbones.checkpoints import fill_tower
from ovseg_annotate.backbones.digests import sha256_of
from ovseg_annotate.backbones.kinds import Configuration
from ovseg_annotate.backbones.network import build_network, card_of, clip_of
from ovseg_annotate.backbones.tokens import Tokenizer, tokenizer_of_configuration
from ovseg_annotate.backbones.tower import Clip
from ovseg_annotate.errors import WeightsError
from ovseg_annotate.geometry import Size

_SHORT_SIDE = 640  # px, to which the published evaluation brings pictures
_OVERLAP = 1 / 3
_LICENCE = "see where the file is published"


@dataclass(frozen=True, slots=True)
class TunedTower:
    """One of the towers that such checkpoints were made with."""

    configuration: str  # open_clip's name
    window: int  # px, that the head saw in training


# By the width and the patch size that the weights have.
_TOWERS: Mapping[tuple[int, int], TunedTower] = MappingProxyType(
    {
        (768, 16): TunedTower("ViT-B-16-quickgelu", 384),
        (1024, 14): TunedTower("ViT-L-14-336-quickgelu", 336),
    }
)


def tuned_clip(tower: Mapping[str, Tensor], file: Path) -> Clip:
    """The towers of a checkpoint as `read_catseg_checkpoint` gives them; nothing is fetched."""
    patches = tower.get("visual.conv1.weight")
    known = None if patches is None else _TOWERS.get((patches.shape[0], patches.shape[-1]))
    if known is None:
        got = "none" if patches is None else f"width {patches.shape[0]}, {patches.shape[-1]} px"
        allowed = ", ".join(each.configuration for each in _TOWERS.values())
        raise WeightsError(
            f"{file}: its image tower is not known ({got}); allowed: weights made with {allowed}"
        )
    configuration = open_clip.get_model_config(known.configuration)
    tokenizer = tokenizer_of_configuration(known.configuration, configuration["text_cfg"])
    return clip_of_state(tower, file, configuration, tokenizer, known)


def clip_of_state(
    tower: Mapping[str, Tensor],
    file: Path,
    configuration: Configuration,
    tokenizer: Tokenizer,
    known: TunedTower,
) -> Clip:
    """Build the network of a configuration and put the weights in."""
    network = build_network(known.configuration, configuration)
    fill_tower(network, dict(tower), file)
    card = card_of(known.configuration, configuration, network, sha256_of(file), _LICENCE)
    card = replace(
        card,
        window=Size(known.window, known.window),
        short_side=_SHORT_SIDE,
        overlap=_OVERLAP,
        templates="scene",
    )
    return clip_of(network, configuration, card, tokenizer)
