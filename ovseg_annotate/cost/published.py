"""Which trunk some published weights belong to."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ovseg_annotate.cost.options import TrunkSizes
from ovseg_annotate.errors import WeightsError


def sizes_of(weights: Mapping[str, Tensor]) -> TrunkSizes:
    """Read off the weights of a whole trunk; heads and window, which leave no trace, as published.

    The tower follows from it: its width is 768 for ViT-B/16 and 1024 for ViT-L/14.
    """

    def size(name: str, axis: int) -> int:
        if name not in weights:
            raise WeightsError(
                f"expected the weights of a whole trunk, found no {name}; choose a checkpoint "
                "with all parts, or make the trunk with the sizes and options of its training"
            )
        return weights[name].shape[axis]

    visual, embedding = "guidance.visual.0.weight", "embedding.weight"
    return TrunkSizes(
        shared=size(visual, 1),
        tower=size("guidance.enlarge.0.weight", 0),
        phrases=size(embedding, 1),
        hidden=size(embedding, 0),
        visual_guide=size(visual, 0),
        text_guide=size("guidance.text.0.weight", 0),
        taps=(size("guidance.enlarge.0.weight", 1), size("guidance.enlarge.1.weight", 1)),
        decoder=(size("decoder.first.first.weight", 0), size("decoder.second.first.weight", 0)),
        decoder_guides=(
            size("guidance.decoder.0.0.weight", 0),
            size("guidance.decoder.1.0.weight", 0),
        ),
    )
