"""One picture or stack of the viewer with everything that was proposed, corrected and accepted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_plugin.accepting import Preserve, combined, newly_accepted
from napari_plugin.answers import Painted
from napari_plugin.drafts import Mask, PlaneDraft, relabelling
from napari_plugin.layer_data import Labels, Origin
from napari_plugin.outlines import Drawn, Outlines
from napari_plugin.output_layers import OutputLayers
from napari_plugin.pictures import PictureSource, Plane
from napari_plugin.suggesting import Suggestion
from napari_plugin.uncertain_places import Place
from ovseg_annotate.errors import OptionError
from ovseg_annotate.label_map import label_dtype
from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Looks:
    """How the concepts are shown and treated, as the table says."""

    vocabulary: Vocabulary
    hidden: frozenset[int] = frozenset()  # labels
    locked: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Statistics:
    """What stands in one plane now; one entry a concept, in order."""

    shares: tuple[float, ...] = ()  # of all pixels
    mean_confidence: tuple[float | None, ...] = ()  # of the suggestion
    corrected: int = 0  # pixels


class SegmentedPicture:
    """Keeps what the machine said apart from what the person did; main thread only."""

    def __init__(self, viewer: Any, layer: Any, source: PictureSource) -> None:
        self.layer = layer  # the image layer everything belongs to
        self.source = source
        self.name = _file_name(layer)
        self.outputs = OutputLayers(viewer, source)
        self.was_learnt_from = False
        self.places: dict[Plane, tuple[Place, ...]] = {}  # in doubt, of traced planes
        self.followed: dict[Plane, tuple[Looks, Labels]] = {}  # what polygons were last asked for
        self._drafts: dict[Plane, PlaneDraft] = {}
        self._suggestions: dict[Plane, Suggestion] = {}
        self._outlines: dict[Plane, Outlines] = {}

    @property
    def planes(self) -> tuple[Plane, ...]:
        """Those with a suggestion."""
        return tuple(self._suggestions)

    def fits(self, source: PictureSource) -> bool:
        """Whether the layers that are there fit another way of reading the layer."""
        return (self.source.stack, self.source.size) == (source.stack, source.size)

    def describe(self, plane: Plane, vocabulary: Vocabulary) -> Statistics:
        """Tell names, shares and provenance in the layers themselves; gives what was told."""
        told = self.statistics(plane, len(vocabulary))
        self.outputs.describe(self.origin(plane, vocabulary), told.shares)
        return told

    def colour(self, looks: Looks) -> None:
        """Show every concept in its colour, hidden ones not at all."""
        self.outputs.forget_removed()
        self.outputs.colour(looks.vocabulary, looks.hidden)

    def suggestion(self, plane: Plane) -> Suggestion | None:
        return self._suggestions.get(plane)

    def show(self, suggestion: Suggestion, looks: Looks) -> None:
        """Put a suggestion into the layers; corrections and locked concepts stay."""
        self.outputs.forget_removed()
        if self.outputs.draft is None:  # the person removed it, corrections and all
            self._drafts.clear()
        plane = suggestion.plane
        origin = self._origin(suggestion, looks.vocabulary)
        self._show_uncertainty(suggestion, origin)
        layer = self.outputs.need_draft(origin, label_dtype(looks.vocabulary))
        _check_room(layer, looks.vocabulary)
        proposed = suggestion.labels.astype(layer.data.dtype, copy=False)
        draft = self._drafts.get(plane)
        if draft is None:
            draft = self._drafts[plane] = PlaneDraft(np.zeros_like(proposed))
        layer.data[plane] = draft.take(layer.data[plane], proposed, looks.locked)
        layer.refresh()
        self._suggestions[plane] = suggestion

    def edited(self, *, painted: bool) -> None:
        """The labels changed under the person's hand, by painting or by undo and redo."""
        layer = self.outputs.draft
        if layer is None:
            return
        undone = False
        for plane, draft in self._drafts.items():
            if painted:
                draft.note_painting(layer.data[plane])
                continue
            back = draft.reconcile_undo(layer.data[plane])
            if back.any():
                np.copyto(layer.data[plane], draft.suggestion, where=back)
                undone = True
        if undone:
            layer.refresh()

    def drawn(self, plane: Plane, vocabulary: Vocabulary) -> Drawn | None:
        """What stands in a plane now, accepted above suggested; None without a suggestion."""
        layer, suggestion = self.outputs.draft, self._suggestions.get(plane)
        if layer is None or suggestion is None:
            return None
        accepted = self._accepted(plane)
        persons = self._drafts[plane].corrected(layer.data[plane]) | (accepted != 0)
        return Drawn(
            plane=plane,
            labels=combined(layer.data[plane], accepted),
            persons=persons,
            confidence=suggestion.label_map.confidence,
            margin=suggestion.label_map.margin,
            vocabulary=vocabulary,
        )

    def corrected(self, plane: Plane) -> tuple[Labels, Mask] | None:
        """The labels of a plane and where the person changed or accepted them."""
        layer = self.outputs.draft
        if layer is None or plane not in self._drafts:
            return None
        accepted = self._accepted(plane)
        persons = self._drafts[plane].corrected(layer.data[plane]) | (accepted != 0)
        return combined(layer.data[plane], accepted), persons

    def painted(self, plane: Plane) -> Painted | None:
        """What a person corrected or accepted, beside what was proposed; None for nothing."""
        found, made = self.corrected(plane), self._suggestions.get(plane)
        if found is None or made is None or not found[1].any():
            return None
        labels, persons = found
        return Painted(
            labels, persons, self._drafts[plane].suggestion.copy(), made.provenance.digest
        )

    def statistics(self, plane: Plane, concepts: int) -> Statistics:
        found = self.corrected(plane)
        suggestion = self._suggestions.get(plane)
        if found is None or suggestion is None:
            return Statistics()
        labels, persons = found
        counts = np.bincount(labels.ravel(), minlength=concepts + 1)[1 : concepts + 1]
        sure = suggestion.mean_confidence
        return Statistics(
            shares=tuple((counts / labels.size).tolist()),
            mean_confidence=(*sure, *([None] * (concepts - len(sure))))[:concepts],
            corrected=int(np.count_nonzero(persons)),
        )

    def accept(
        self, wanted: Collection[int], planes: Collection[Plane], how: Preserve, looks: Looks
    ) -> int:
        """Copy the wanted labels to the accepted layer, one step of undo; returns the pixels."""
        self.outputs.forget_removed()
        draft = self.outputs.draft
        if draft is None or not planes:
            raise OptionError("there is nothing to accept yet; press Segment first")
        origin = self.origin(next(iter(planes)), looks.vocabulary)
        accepted = self.outputs.need_accepted(origin, draft.data.dtype.type)
        pixels = 0
        with accepted.block_history():
            for plane in planes:
                chosen = newly_accepted(draft.data[plane], accepted.data[plane], wanted, how)
                places = np.nonzero(chosen)
                if len(places[0]):
                    index = (*(np.full(len(places[0]), each) for each in plane), *places)
                    accepted.data_setitem(index, draft.data[plane][chosen])
                    pixels += len(places[0])
        return pixels

    def forget_corrections(self, plane: Plane) -> None:
        """Show the suggestion again where the person changed it; accepted pixels stay."""
        layer, draft = self.outputs.draft, self._drafts.get(plane)
        if layer is None or draft is None:
            return
        changed = draft.corrected(layer.data[plane])
        draft.forget(changed)
        places = np.nonzero(changed)
        index = (*(np.full(len(places[0]), each) for each in plane), *places)
        layer.data_setitem(index, draft.suggestion[changed])

    def relabel(self, moved: tuple[int, ...]) -> None:
        """The concepts of the table moved; `moved` has the new label of each old one."""
        self.outputs.forget_removed()
        self._outlines.clear()
        self.places.clear()
        self.followed.clear()
        for layer in (self.outputs.draft, self.outputs.accepted):
            if layer is not None:
                table = relabelling(moved, layer.data.dtype)
                layer.data = table[layer.data]
                # The steps of undo know the old labels only; this forgets them.
                layer.editable = False
                layer.editable = True
        for draft in self._drafts.values():
            draft.relabelled(relabelling(moved, draft.suggestion.dtype))

    def pixels_of_person(self, label: int) -> int:
        """Corrected and accepted pixels of one label, in all planes."""
        total = 0
        for plane in self._drafts:
            found = self.corrected(plane)
            if found is not None:
                total += int(np.count_nonzero(found[1] & (found[0] == label)))
        return total

    def take_outlines(self, outlines: Outlines) -> None:
        """Keep the polygons of a plane for the next drawing."""
        self._outlines[outlines.plane] = outlines

    def draw(self, looks: Looks) -> Iterator[None]:
        """Show the polygons of all planes, step by step."""
        self.outputs.forget_removed()
        outlines = tuple(self._outlines.values())
        origin = self.origin(outlines[-1].plane, looks.vocabulary)
        return self.outputs.draw(outlines, origin, looks.hidden)

    def origin(self, plane: Plane, vocabulary: Vocabulary) -> Origin:
        """What the layers tell about themselves."""
        made = self._suggestions.get(plane)
        if made is None:
            raise OptionError("this plane has no suggestion yet; press Segment first")
        return self._origin(made, vocabulary)

    def _origin(self, made: Suggestion, vocabulary: Vocabulary) -> Origin:
        return Origin(self.name, self.source.size, vocabulary, made.provenance)

    def _accepted(self, plane: Plane) -> Labels:
        layer = self.outputs.accepted
        if layer is None:
            return np.zeros((1, 1), self.outputs.draft.data.dtype)
        labels: Labels = layer.data[plane]
        return labels

    def _show_uncertainty(self, suggestion: Suggestion, origin: Origin) -> None:
        before = self._suggestions.get(suggestion.plane)
        known = before is not None and before.label_map.margin is suggestion.label_map.margin
        if known and self.outputs.uncertainty is not None:
            return
        layer = self.outputs.need_uncertainty(origin)
        layer.data[suggestion.plane] = suggestion.uncertainty
        layer.refresh()


def _file_name(layer: Any) -> str:
    """The name of the picture's file, for exports; the layer's own where there is no file."""
    path = layer.source.path
    return str(layer.name) if path is None else Path(path).name


def _check_room(layer: Any, vocabulary: Vocabulary) -> None:
    most = int(np.iinfo(layer.data.dtype).max)
    if len(vocabulary) > most:
        raise OptionError(
            f"{len(vocabulary)} concepts do not fit the layer {layer.name!r}, which holds {most}; "
            "save and remove that layer, then press Segment again"
        )
