"""LoGoSeg: the trunk with a prior for existence, regions and a local stream.

"LoGoSeg" (arXiv 2602.05578); neither code nor weights are public, so this is a reconstruction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.backbones.tower import Clip
from ovseg_annotate.cost.existence import ExistenceMode
from ovseg_annotate.cost.logoseg import LoGoSegHead, LoGoSegOptions
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.engines.cost_engine import (
    CostEngine,
    CostOptions,
    System,
    fitted_to,
    open_cost_engine,
    seen_by,
    tower_of,
    tower_wording,
)
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.options import read_options
from ovseg_annotate.text.encoder import PhraseEncoder
from ovseg_annotate.vocabulary import Concept, Vocabulary


@dataclass(frozen=True, slots=True)
class LoGoSegEngineOptions(CostOptions):
    """What can be set at run time; None: as it was trained."""

    existence: ExistenceMode | None = None  # off: unlikely concepts are not held back


OPTIONS = LoGoSegEngineOptions


@dataclass(frozen=True, slots=True)
class LoGoSegParts:
    """What the head is made of; its widths that follow from the tower are set by it."""

    sizes: TrunkSizes = field(default_factory=TrunkSizes)
    trunk: TrunkOptions = field(default_factory=TrunkOptions)
    logoseg: LoGoSegOptions = field(default_factory=LoGoSegOptions)


def make_logoseg(clip: Clip, parts: Mapping[str, object]) -> System:
    """The system on a tower, not yet trained."""
    made_of = read_options(LoGoSegParts, parts)
    tower = tower_of(clip)
    head = LoGoSegHead(
        fitted_to(tower, made_of.sizes),
        made_of.trunk,
        made_of.logoseg,
        _neutral_phrases(clip, made_of.logoseg),
    )
    see = seen_by(tower, made_of.trunk)
    return System("logoseg", clip, head, see, TappedFeatures, parts)


def _neutral_phrases(clip: Clip, options: LoGoSegOptions) -> Tensor:
    vocabulary = Vocabulary(tuple(Concept(phrase) for phrase in options.existence.neutral))
    return PhraseEncoder(clip.text, tower_wording(clip)).bank(vocabulary).embeddings


def open_logoseg(request: EngineRequest) -> CostEngine:
    """Load trained weights by name."""
    options = read_options(OPTIONS, request.options)
    engine = open_cost_engine(request, make_logoseg, options)
    head = engine.head
    if options.existence is not None and isinstance(head, LoGoSegHead):
        head.run_existence(options.existence)
    return engine
