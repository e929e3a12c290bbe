"""LMSeg: the trunk on CLIP cells fused with those of a guide, and words that say how things look.

After the summary of "LMSeg: Unleashing the Power of Large-Scale Models for Open-Vocabulary Semantic
Segmentation" (2024), which released neither code nor prompts: the fusion is `cost.fusion`, the
descriptions are `descriptions`. With the weight fixed at 1 and plain words it is CAT-Seg.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from torch import Tensor

from ovseg_annotate.backbones.guides import BUNDLED_GUIDE, load_guide
from ovseg_annotate.backbones.tower import Clip
from ovseg_annotate.cost.fusion import FusedTrunk, FusionOptions, GuidedFeatures
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.descriptions.options import EnrichOptions
from ovseg_annotate.engines.cost_engine import (
    CostEngine,
    System,
    fitted_to,
    open_cost_engine,
    seen_by,
    tower_of,
)
from ovseg_annotate.engines.enriched_text import words_of
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.errors import WeightsError
from ovseg_annotate.options import read_options
from ovseg_annotate.text.templates import TemplateSet


@dataclass(frozen=True, slots=True)
class LMSegOptions:
    """What can be set; None: as it was trained."""

    keep: int | None = None  # concepts that are scored in a window, those with the highest peak
    templates: Literal["auto"] | TemplateSet = "auto"  # auto: the set the tower is best with
    enrich: EnrichOptions | None = None  # how words are described


OPTIONS = LMSegOptions


@dataclass(frozen=True, slots=True)
class LMSegParts:
    """What the system is made of; widths that follow from the tower are set by it."""

    sizes: TrunkSizes = field(default_factory=TrunkSizes)
    trunk: TrunkOptions = field(default_factory=TrunkOptions)
    fusion: FusionOptions = field(default_factory=FusionOptions)
    guide: str = BUNDLED_GUIDE  # see `backbones.guides`
    guide_digest: str = ""  # of its weights; empty: not trained yet
    enrich: EnrichOptions = field(default_factory=EnrichOptions)  # in training, and after it


def make_lmseg(
    clip: Clip, parts: Mapping[str, object], cache: Path | None = None, *, offline: bool = False
) -> System:
    """The system on a tower, not yet trained."""
    made_of = read_options(LMSegParts, parts)
    tower = tower_of(clip)
    guide = load_guide(made_of.guide)
    if made_of.guide_digest not in ("", guide.digest):
        raise WeightsError(
            f"this head was trained with the guide {made_of.guide} of weights "
            f"{made_of.guide_digest[:12]}, the one that is here has {guide.digest[:12]}; bring "
            "that one back, or train the head again"
        )
    sizes = fitted_to(tower, made_of.sizes)
    head = FusedTrunk(sizes, made_of.trunk, guide.width, made_of.fusion)
    plain = seen_by(tower, made_of.trunk)

    def see(windows: Tensor) -> GuidedFeatures:
        seen = plain(windows)
        guided = guide.cells(windows, clip.card)
        return GuidedFeatures(seen.cells, seen.taps, seen.whole, guided)

    return System(
        name="lmseg",
        clip=clip,
        head=head,
        see=see,
        features=GuidedFeatures,
        parts={**parts, "guide_digest": guide.digest},
        guides=(guide.network,),
        words=words_of(clip, made_of.enrich, cache, offline=offline),
    )


def open_lmseg(request: EngineRequest) -> CostEngine:
    """Load trained weights by name."""
    options = read_options(OPTIONS, request.options)
    changes = {} if options.enrich is None else {"enrich": options.enrich}
    make = partial(make_lmseg, cache=request.cache, offline=request.offline)
    return open_cost_engine(request, make, options, changes)
