"""One layer of refining: first within each concept, then between concepts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from torch import Tensor, nn

from ovseg_annotate.cost.guidance import Guides
from ovseg_annotate.cost.mixing import ConceptMixing
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.cost.spatial import SpatialMixing


class AggregationLayer(nn.Module):
    """Refines embedded costs that come as chunks of concepts."""

    def __init__(self, sizes: TrunkSizes, options: TrunkOptions) -> None:
        super().__init__()
        self.spatial = SpatialMixing(sizes) if options.spatial else None
        self.mixing = ConceptMixing(sizes, options) if options.mixing else None

    def forward(self, chunks: Iterable[Tensor], guides: Guides) -> Iterator[Tensor]:
        """Chunks are (windows, concepts, rows, columns, width); see `ConceptMixing` for when."""
        if self.spatial is not None:
            chunks = map(partial(self.spatial, guide=guides.visual), chunks)
        return iter(chunks) if self.mixing is None else self.mixing(chunks, guides.text)
