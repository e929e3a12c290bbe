"""FGAseg's head with the published fixture's weights, and tiny heads of any make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from cost.fixture_trunk import TINY, published_checkpoint, seeded, write_checkpoint
from engines.fixture_tower import tensors_of
from torch import Tensor

from ovseg_annotate.backbones.catseg_checkpoint import read_catseg_checkpoint
from ovseg_annotate.backbones.checkpoints import fill
from ovseg_annotate.cost.align_head import AlignHead
from ovseg_annotate.cost.fgaseg_head import FgasegHead
from ovseg_annotate.cost.fgaseg_options import FgasegOptions
from ovseg_annotate.cost.fgaseg_published import fgaseg_weights
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes

NAME = "fgaseg"
# As fgaseg.json has them.
PUBLISHED = TrunkSizes(
    shared=32,
    tower=32,
    hidden=32,
    heads=4,
    visual_guide=16,
    text_guide=16,
    taps=(16, 8),
    decoder=(16, 16),
    decoder_guides=(8, 4),
)
PADDED = TrunkOptions(padded_to=12)
TINY_OPTIONS = FgasegOptions(
    sizes=TINY, trunk=TrunkOptions(padded_to=8), text_heads=2, start="random"
)

_PREDICTOR = "sem_seg_head.predictor."
_TRUNK = f"{_PREDICTOR}transformer."


def published_fgaseg(*, fast: bool = False) -> dict[str, Tensor]:
    """The fixture's weights named as the public files name theirs."""
    state = {
        name: weights
        for name, weights in published_checkpoint().items()
        if not name.startswith(_TRUNK)
    }
    groups = {"decoder.": _TRUNK, "p2tformer.": f"{_PREDICTOR}DCDT."}
    groups["align."] = f"{_PREDICTOR}proj."
    if fast:
        groups["decoder_fast."] = _TRUNK
    for ours, theirs in groups.items():
        for name, weights in _named(f"weights.{ours}").items():
            state[theirs + name] = weights
    for number in (1, 3):  # counted in training, and stored beside the weights
        state[f"{_PREDICTOR}proj.vis.{number}.1.num_batches_tracked"] = torch.tensor(8)
    return state


def fixture_head(
    folder: Path, trunk: TrunkOptions = PADDED, *, fast: bool = False, add: bool = False
) -> FgasegHead:
    """With the weights of the fixture, through a file of the published kind."""
    state = published_fgaseg(fast=fast)
    if add:
        state = {name: weights for name, weights in state.items() if ".conv_cat" not in name}
    file = write_checkpoint(folder / "model.pth", state)
    weights = fgaseg_weights(read_catseg_checkpoint(file), file)
    head = FgasegHead(replace(weights.options, trunk=trunk))
    fill(head, weights.head, file)
    return head.eval()


def fixture_align() -> AlignHead:
    head = AlignHead(PUBLISHED.shared)
    state = {}
    for name, weights in _named("weights.align.").items():
        part, _, rest = name.partition(".")
        number, _, rest = rest.partition(".") if part == "vis" else ("", "", rest)
        prefix = {"1": "first", "3": "second", "4": "last", "": "kernels.project"}[number]
        state[f"{prefix}.{rest}"] = weights
    head.load_state_dict(state, strict=False)
    return head.eval()


def tiny_head(options: FgasegOptions = TINY_OPTIONS, seed: int = 0) -> FgasegHead:
    """Far from any start: every part counts."""
    return seeded(lambda: FgasegHead(options, seed))


def _named(prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): weights
        for name, weights in tensors_of(NAME).items()
        if name.startswith(prefix)
    }
