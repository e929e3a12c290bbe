"""The layers that a suggestion shows itself in; written from the main thread only.

They lie where their picture lies, are updated and never doubled, and are known by what is held
here, not by their names: a person may rename, move or remove any of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_plugin.layer_data import (
    UNLABELLED_NAME,
    Origin,
    edge_width,
    label_colours,
    label_features,
    rgba,
)
from napari_plugin.outlines import Outlines
from napari_plugin.pictures import PictureSource, Plane
from ovseg_annotate.vocabulary import Vocabulary

_CHUNK = 20_000  # vertices added at once, or little more: the window answers between two chunks


class OutputLayers:
    """Suggestion, accepted, polygons and uncertainty of one picture or stack."""

    def __init__(self, viewer: Any, source: PictureSource) -> None:
        self._viewer = viewer
        self._source = source
        self.draft: Any = None  # napari Labels, or None while there is none
        self.accepted: Any = None
        self.polygons: Any = None
        self.uncertainty: Any = None
        self._coloured: dict[Any, dict[int | None, tuple[float, ...]]] = {}  # by layer

    def forget_removed(self) -> None:
        """Let go of the layers that the person took out of the viewer."""
        for name in ("draft", "accepted", "polygons", "uncertainty"):
            layer = getattr(self, name)
            if layer is not None and layer not in self._viewer.layers:
                setattr(self, name, None)

    def remove(self) -> None:
        """Take all of them out of the viewer."""
        self.forget_removed()
        for layer in (self.polygons, self.uncertainty, self.draft, self.accepted):
            if layer is not None:
                self._viewer.layers.remove(layer)
        self.forget_removed()

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self._source.stack, self._source.size.height, self._source.size.width)

    def need_uncertainty(self, origin: Origin) -> Any:
        """The hidden map; black where the engine is sure."""
        if self.uncertainty is None:
            self.uncertainty = self._viewer.add_image(
                np.zeros(self.shape, np.float32),
                name=f"{self._source.name} uncertainty",
                contrast_limits=(0, 1),
                colormap="magma",
                blending="additive",
                visible=False,
                metadata=origin.as_metadata(),
                **self._source.frame.keywords(),
            )
        return self.uncertainty

    def need_draft(self, origin: Origin, dtype: type[np.unsignedinteger]) -> Any:
        """The labels that are painted on."""
        if self.draft is None:
            self.draft = self._add_labels("suggestion", origin, dtype, opacity=0.55)
        return self.draft

    def need_accepted(self, origin: Origin, dtype: type[np.unsignedinteger]) -> Any:
        """The labels that no suggestion changes; above the suggestion, so that both show."""
        if self.accepted is None:
            active = self._viewer.layers.selection.active
            self.accepted = self._add_labels("accepted", origin, dtype, opacity=0.35)
            self._viewer.layers.selection.active = active  # the brush stays where it is
        return self.accepted

    def _add_labels(
        self, what: str, origin: Origin, dtype: type[np.unsignedinteger], opacity: float
    ) -> Any:
        shape = self.shape
        return self._viewer.add_labels(
            np.zeros(shape, dtype),
            name=f"{self._source.name} {what}",
            colormap=label_colours(origin.vocabulary),
            features=label_features(origin.vocabulary, np.zeros((1, 1), dtype)),
            metadata=origin.as_metadata(),
            opacity=opacity,
            **self._source.frame.keywords(),
        )

    def colour(self, vocabulary: Vocabulary, hidden: Collection[int]) -> None:
        """Show every concept in its colour, hidden ones not at all."""
        colours = label_colours(vocabulary)
        for label in hidden:
            colours[label] = (*colours[label][:3], 0.0)
        for layer in (self.draft, self.accepted):
            # Setting colours draws the whole layer again.
            if layer is not None and self._coloured.get(layer.unique_id) != colours:
                layer.colormap = colours
                self._coloured[layer.unique_id] = colours

    def describe(self, origin: Origin, shares: Sequence[float]) -> None:
        """Names and shares for the status bar, provenance for whoever saves the layers."""
        features = {
            "index": np.arange(len(origin.vocabulary) + 1),
            "class": [UNLABELLED_NAME, *origin.vocabulary.names],
            "share": [1 - sum(shares), *shares],
        }
        for layer in (self.draft, self.accepted):
            if layer is not None:
                layer.features = features
        for layer in (self.draft, self.accepted, self.polygons):
            if layer is not None:
                layer.metadata = {**layer.metadata, **origin.as_metadata()}

    def draw(
        self, outlines: Collection[Outlines], origin: Origin, hidden: Collection[int]
    ) -> Iterator[None]:
        """Show these polygons instead of those before; step by step, so that nothing freezes."""
        vertices = [on_plane(ring, each.plane) for each in outlines for ring in each.vertices]
        labels = np.concatenate([np.empty(0, np.int64), *(each.labels for each in outlines)])
        colours = edge_colours(labels, origin.vocabulary, hidden)
        layer = self._emptied_polygons(origin)
        shown = layer.visible
        chunks = _chunks(vertices)
        layer.visible = shown and len(chunks) <= 1  # every repaint would cost a chunk's time
        names = np.array(["", *origin.vocabulary.names])
        try:
            yield
            for part in chunks:
                layer.add(
                    vertices[part],
                    shape_type="polygon",
                    edge_color=colours[part],
                    face_color=np.zeros((len(vertices[part]), 4)),
                    edge_width=layer.current_edge_width,
                )
                yield
                if layer not in self._viewer.layers:
                    return
            layer.features = {
                "class": names[labels],
                "score": np.concatenate([np.empty(0), *(each.scores for each in outlines)]),
                "region": np.concatenate(
                    [np.empty(0, np.int64), *(each.regions for each in outlines)]
                ),
            }
            layer.editable = False
            yield  # the first picture of them all takes its time, too
        finally:
            layer.visible = shown

    def _emptied_polygons(self, origin: Origin) -> Any:
        if self.polygons is None:
            size, active = self._source.size, self._viewer.layers.selection.active
            self.polygons = self._viewer.add_shapes(
                ndim=len(self.shape),
                name=f"{self._source.name} polygons",
                metadata=origin.as_metadata(),
                **self._source.frame.keywords(),
            )
            self.polygons.current_edge_width = edge_width(size)
            self._viewer.layers.selection.active = active  # the brush stays where it is
        else:
            self.polygons.data = []
        return self.polygons


def _chunks(vertices: Sequence[NDArray[np.float64]]) -> list[slice]:
    """Consecutive polygons, each chunk with about as many vertices."""
    if not vertices:
        return []
    before = np.cumsum([0, *(len(each) for each in vertices[:-1])]) // _CHUNK
    starts = np.unique(before, return_index=True)[1].tolist()
    return [slice(*pair) for pair in zip(starts, [*starts[1:], len(vertices)], strict=True)]


def on_plane(vertices: NDArray[np.float64], plane: Plane) -> NDArray[np.float64]:
    """Vertices (n, 2) where they lie in a stack: (n, axes)."""
    place = np.broadcast_to(np.array(plane, np.float64), (len(vertices), len(plane)))
    return np.hstack((place, vertices))


def edge_colours(
    labels: NDArray[np.int64], vocabulary: Vocabulary, hidden: Collection[int]
) -> NDArray[np.float64]:
    """One colour a polygon, (n, 4): a cycle over names would go by the alphabet."""
    table = np.zeros((len(vocabulary) + 1, 4))
    for label, colour in enumerate(vocabulary.colours, start=1):
        table[label] = rgba(colour)
        table[label, 3] = label not in hidden
    return table[labels]
