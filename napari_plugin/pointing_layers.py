"""Layers to point in: scribbles, points and boxes on the picture become marks of concepts."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_plugin.drafts import relabelling
from napari_plugin.layer_data import label_colours, rgba
from ovseg_annotate.label_map import label_dtype

if TYPE_CHECKING:
    from napari_plugin.pictures import PictureSource, Plane
    from ovseg_annotate.pointing.marks import Mark
    from ovseg_annotate.vocabulary import Vocabulary

CLASS = "class"  # columns of the features
POSITIVE = "positive"


class Tool(StrEnum):
    """What a person points with."""

    SCRIBBLE = "scribbles"
    POINT = "points"
    BOX = "boxes"


class PointingLayers:
    """At most one layer a tool, made when it is first taken up; main thread only."""

    def __init__(self, viewer: Any, source: PictureSource) -> None:
        self._viewer = viewer
        self._source = source
        self._layers: dict[Tool, Any] = {}

    def take_up(self, tool: Tool, vocabulary: Vocabulary, label: int, *, positive: bool) -> Any:
        """Make the layer ready to mark the concept of this label."""
        layer = self.layer(tool)
        if layer is None:
            layer = self._layers[tool] = self._made(tool, vocabulary)
        self.choose(vocabulary, label, positive=positive)
        self._viewer.layers.selection.active = layer
        layer.mode = {Tool.SCRIBBLE: "paint", Tool.POINT: "add", Tool.BOX: "add_rectangle"}[tool]
        return layer

    def layer(self, tool: Tool) -> Any:
        """The layer of a tool, or None when there is none (any more)."""
        layer = self._layers.get(tool)
        return layer if layer is not None and layer in self._viewer.layers else None

    def choose(self, vocabulary: Vocabulary, label: int, *, positive: bool) -> None:
        """What is marked from now on belongs to this concept, or does not."""
        colour = np.array([rgba(vocabulary.colours[label - 1])])
        marks = {CLASS: vocabulary.names[label - 1], POSITIVE: positive}
        scribbles, points, boxes = (self.layer(tool) for tool in Tool)
        if scribbles is not None:
            scribbles.selected_label = label
        if points is not None:
            points.selected_data = set()
            points.feature_defaults = marks
            points.current_face_color = colour[0]
            points.current_symbol = "disc" if positive else "cross"
        if boxes is not None:
            boxes.selected_data = set()
            boxes.feature_defaults = marks
            boxes.current_edge_color = colour[0]

    def relabel(self, moved: tuple[int, ...], vocabulary: Vocabulary | None) -> None:
        """The concepts of the table moved."""
        scribbles = self.layer(Tool.SCRIBBLE)
        if scribbles is not None:
            scribbles.data = relabelling(moved, scribbles.data.dtype)[scribbles.data]
            if vocabulary is not None:
                scribbles.colormap = label_colours(vocabulary)

    def colour(self, vocabulary: Vocabulary) -> None:
        scribbles = self.layer(Tool.SCRIBBLE)
        if scribbles is not None:
            scribbles.colormap = label_colours(vocabulary)

    def marks(self, plane: Plane, vocabulary: Vocabulary) -> tuple[Mark, ...]:
        """Everything that was marked in a plane."""
        from napari_plugin.layer_marks import layer_marks  # noqa: PLC0415  slow to import

        scribbles, points, boxes = (self.layer(tool) for tool in Tool)
        return layer_marks(scribbles, points, boxes, plane, vocabulary)

    def _made(self, tool: Tool, vocabulary: Vocabulary) -> Any:
        frame = self._source.frame.keywords()
        name = f"{self._source.name} {tool}"
        shape = (*self._source.stack, self._source.size.height, self._source.size.width)
        if tool is Tool.SCRIBBLE:
            data = np.zeros(shape, label_dtype(vocabulary))
            colours = label_colours(vocabulary)
            layer = self._viewer.add_labels(data, name=name, colormap=colours, **frame)
            layer.brush_size = max(3, min(shape[-2:]) // 100)
            return layer
        features = {CLASS: np.empty(0, object), POSITIVE: np.empty(0, np.bool_)}
        keywords: dict[str, Any] = {"ndim": len(shape), "name": name, "features": features}
        if tool is Tool.POINT:
            side = max(4, min(shape[-2:]) // 60)
            return self._viewer.add_points(size=side, **keywords, **frame)
        layer = self._viewer.add_shapes(face_color="transparent", **keywords, **frame)
        layer.current_edge_width = max(1.0, min(shape[-2:]) / 300)
        return layer
