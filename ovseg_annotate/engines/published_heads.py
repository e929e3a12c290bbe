"""Published checkpoints of heads on a CLIP: one file holds the head and its tuned towers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from torch import Tensor

from ovseg_annotate.backbones.catseg_checkpoint import CatSegCheckpoint, read_catseg_checkpoint
from ovseg_annotate.backbones.checkpoints import TORCH_ENDINGS, fill
from ovseg_annotate.backbones.digests import sha256_of
from ovseg_annotate.backbones.system_folder import SystemCard
from ovseg_annotate.backbones.tower import Clip
from ovseg_annotate.backbones.tuned_clip import tuned_clip
from ovseg_annotate.engines.cost_engine import (
    CostEngine,
    RunOptions,
    SystemMaker,
    Trained,
    running,
)
from ovseg_annotate.engines.request import EngineRequest


@dataclass(frozen=True, slots=True, eq=False)
class PublishedHead:
    """A head's weights in our names, and the parts that make a head which they fit."""

    parts: Mapping[str, object]
    weights: Mapping[str, Tensor]


HeadReader: TypeAlias = Callable[[CatSegCheckpoint, Path], PublishedHead]
TowerReader: TypeAlias = Callable[[Mapping[str, Tensor], Path], Clip]


def is_published(weights: str) -> bool:
    """Whether the part after the @ names a file of this kind."""
    file = Path(weights).expanduser()
    return file.suffix in TORCH_ENDINGS and file.is_file()


def open_published(
    request: EngineRequest,
    make: SystemMaker,
    head_of: HeadReader,
    options: RunOptions,
    clip_of: TowerReader = tuned_clip,
) -> CostEngine:
    """Load a checkpoint; nothing in it is run, and nothing is fetched."""
    file = Path(request.weights).expanduser()
    checkpoint = read_catseg_checkpoint(file)
    head = head_of(checkpoint, file)
    clip = clip_of(checkpoint.tower, file)
    system = make(clip, head.parts)
    fill(system.head, head.weights, file)
    digest = sha256_of(file)
    card = SystemCard(request.engine, parts=head.parts, licence=clip.card.licence)
    return running(system, Trained(card, digest, digest), request, options)
