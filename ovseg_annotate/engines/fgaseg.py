"""FGAseg: words that look at the window, and a local pseudo-mask beside the cosines.

"FGAseg: Fine-Grained Pixel-Text Alignment for Open-Vocabulary Semantic Segmentation" (Li et al.
2025). Words differ from window to window, so the tower's vectors are all that is kept of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from ovseg_annotate.backbones.catseg_checkpoint import CatSegCheckpoint
from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.backbones.tower import Clip
from ovseg_annotate.cost.fgaseg_head import FgasegHead
from ovseg_annotate.cost.fgaseg_options import FgasegOptions
from ovseg_annotate.cost.fgaseg_published import fgaseg_weights
from ovseg_annotate.engines.cost_engine import (
    CostEngine,
    System,
    fitted_to,
    open_cost_engine,
    seen_by,
    tower_of,
)
from ovseg_annotate.engines.published_heads import (
    PublishedHead,
    is_published,
    open_published,
)
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.options import read_options
from ovseg_annotate.text.templates import TemplateSet

_WITHOUT_TRAINING: Mapping[str, object] = {"align_weight": 0.0}


@dataclass(frozen=True, slots=True)
class FgasegRunOptions:
    """What can be set on trained weights; None: as they were trained."""

    keep: int | None = None  # concepts that are scored in a window, those with the highest peak
    templates: Literal["auto"] | TemplateSet = "auto"  # auto: the set the tower is best with
    fast_top: int | None = (
        None  # concepts of a cell that go on; 0: all; for weights with such heads
    )


OPTIONS = FgasegRunOptions


def make_fgaseg(clip: Clip, parts: Mapping[str, object]) -> System:
    """The system on a tower, not yet trained; `parts` are `FgasegOptions`."""
    options = read_options(FgasegOptions, parts)
    tower = tower_of(clip)
    head = FgasegHead(replace(options, sizes=fitted_to(tower, options.sizes)))
    return System(
        name="fgaseg",
        clip=clip,
        head=head,
        see=seen_by(tower, options.trunk),
        features=TappedFeatures,
        parts=parts,
        training_only=("align.",),
    )


def open_fgaseg(request: EngineRequest) -> CostEngine:
    """Load trained weights by name, or a published checkpoint by its path."""
    options = read_options(OPTIONS, request.options)
    changes = dict(_WITHOUT_TRAINING)
    if options.fast_top is not None:
        changes["fast_top"] = options.fast_top
    if is_published(request.weights):
        reader = partial(published_head, changes=changes, keep=options.keep)
        return open_published(request, make_fgaseg, reader, options)
    return open_cost_engine(request, make_fgaseg, options, changes)


def published_head(
    checkpoint: CatSegCheckpoint, file: Path, changes: Mapping[str, object], keep: int | None
) -> PublishedHead:
    """What a published checkpoint says of the head, with what a caller wants otherwise."""
    weights = fgaseg_weights(checkpoint, file)
    parts = {**asdict(weights.options), **changes}
    if keep is not None:
        parts["trunk"] = asdict(replace(weights.options.trunk, keep=keep))
    return PublishedHead(parts, weights.head)
