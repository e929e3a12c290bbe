"""CAT-Seg: the plain trunk, which the systems built on it are compared with.

"CAT-Seg: Cost Aggregation for Open-Vocabulary Semantic Segmentation" (Cho et al. 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from ovseg_annotate.backbones.catseg_checkpoint import CatSegCheckpoint
from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.backbones.tower import Clip
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.cost.published import sizes_of
from ovseg_annotate.cost.trunk import CostTrunk
from ovseg_annotate.engines.cost_engine import (
    CostEngine,
    CostOptions,
    System,
    fitted_to,
    open_cost_engine,
    seen_by,
    tower_of,
)
from ovseg_annotate.engines.published_heads import PublishedHead, is_published, open_published
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.errors import WeightsError
from ovseg_annotate.options import read_options

OPTIONS = CostOptions


@dataclass(frozen=True, slots=True)
class CatSegParts:
    """What the head is made of; its widths that follow from the tower are set by it."""

    sizes: TrunkSizes = field(default_factory=TrunkSizes)
    trunk: TrunkOptions = field(default_factory=TrunkOptions)


def make_catseg(clip: Clip, parts: Mapping[str, object]) -> System:
    """The system on a tower, not yet trained."""
    made_of = read_options(CatSegParts, parts)
    tower = tower_of(clip)
    head = CostTrunk(fitted_to(tower, made_of.sizes), made_of.trunk)
    see = seen_by(tower, made_of.trunk)
    return System("catseg", clip, head, see, TappedFeatures, parts)


def open_catseg(request: EngineRequest) -> CostEngine:
    """Load trained weights by name, or a published checkpoint by its path."""
    options = read_options(OPTIONS, request.options)
    if is_published(request.weights):
        reader = partial(published_head, keep=options.keep)
        return open_published(request, make_catseg, reader, options)
    return open_cost_engine(request, make_catseg, options)


def published_head(checkpoint: CatSegCheckpoint, file: Path, keep: int | None) -> PublishedHead:
    """What a published checkpoint says of the trunk."""
    if checkpoint.further:
        raise WeightsError(
            f"{file} holds more than the plain trunk, such as {next(iter(checkpoint.further))}; "
            f"if it is of FGAseg write fgaseg@{file}"
        )
    trunk = TrunkOptions()
    parts = CatSegParts(
        sizes_of(checkpoint.trunk), trunk if keep is None else replace(trunk, keep=keep)
    )
    return PublishedHead(asdict(parts), checkpoint.trunk)
