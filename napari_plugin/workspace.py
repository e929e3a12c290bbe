"""The words of the dock and the pictures they were used on, in one viewer; knows no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from psygnal import Signal

from napari_plugin.accepting import Preserve
from napari_plugin.concept_table import ConceptTable
from napari_plugin.edits import EditWatch
from napari_plugin.pictures import PictureSource, Plane
from napari_plugin.pointing_layers import PointingLayers, Tool, marks_of_corrections
from napari_plugin.segmented_picture import Looks, SegmentedPicture, Statistics
from napari_plugin.suggesting import Lesson, Suggestion
from napari_plugin.uncertain_places import Place, uncertain_places
from ovseg_annotate.errors import OptionError

_PLACE_PIXELS = 220.0  # an uncertain place is brought to about this size on the screen


class Workspace:
    """Main thread only."""

    statistics_changed: ClassVar[Signal] = Signal(Statistics)  # of the shown plane
    edited: ClassVar[Signal] = Signal()  # a person changed labels; `settle` soon
    label_chosen: ClassVar[Signal] = Signal(int)  # with napari's own controls

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.table = ConceptTable()
        self.picture: SegmentedPicture | None = None  # the one that the dock is about
        self.pointing: PointingLayers | None = None
        self._pictures: dict[int, SegmentedPicture] = {}  # by the identity of the image layer
        self._pointing: dict[int, PointingLayers] = {}
        self._watch: EditWatch | None = None
        self._places: list[Place] | None = None
        self.table.relabelled.connect(self._relabel)
        self.table.looks_changed.connect(self.recolour)
        viewer.layers.events.removed.connect(self._forget_layer)

    @property
    def looks(self) -> Looks:
        return Looks(self.table.vocabulary, self.table.hidden_labels, self.table.locked_labels)

    @property
    def plane(self) -> Plane:
        """The plane that the viewer shows of the present picture."""
        if self.picture is None:
            return ()
        return self.picture.source.plane_at(self.viewer.dims.current_step)

    def open(self, layer: Any, source: PictureSource) -> SegmentedPicture:
        """Make a layer the present picture, read in this way from now on."""
        known = self._pictures.get(id(layer))
        if known is None or not known.fits(source):
            known = self._pictures[id(layer)] = SegmentedPicture(self.viewer, layer, source)
            self._pointing[id(layer)] = PointingLayers(self.viewer, source)
        known.source = source
        self.turn_to(layer)
        return known

    def turn_to(self, layer: Any) -> None:
        """The person chose another layer; there may be nothing about it yet."""
        self.picture = self._pictures.get(id(layer)) if layer is not None else None
        self.pointing = self._pointing.get(id(layer)) if layer is not None else None
        self._places = None
        self._watch_draft()
        self.tell_statistics()

    def is_there(self, picture: SegmentedPicture) -> bool:
        """Whether the image layer of a picture is still in the viewer."""
        return picture.layer in self.viewer.layers

    def show(self, picture: SegmentedPicture, suggestion: Suggestion) -> None:
        first = picture.outputs.draft is None
        picture.show(suggestion, self.looks)
        if first:  # ready to be painted on
            self.viewer.layers.selection.active = picture.outputs.draft
        self._places = None
        self._watch_draft()
        self.recolour()  # the layers tell the change themselves, and `settle` follows

    def settle(self) -> bool:
        """Take in what the person did; False while a stroke is still being drawn."""
        if self._watch is None or self.picture is None:
            return True
        if self._watch.stroking:
            return False
        self.picture.edited(painted=self._watch.take_painted())
        self._places = None
        self._describe()
        return True

    def choose(self, row: int) -> None:
        """Paint and point with the concept of this row."""
        if self.picture is None or not 0 <= row < len(self.table):
            return
        self.picture.outputs.forget_removed()
        for layer in (self.picture.outputs.draft, self.picture.outputs.accepted):
            if layer is not None and layer.selected_label != row + 1:
                layer.selected_label = row + 1

    def point(self, layer: Any, source: PictureSource, tool: Tool, row: int, *, yes: bool) -> None:
        """Take up a tool for a concept of a picture that may have no suggestion yet."""
        if not 0 <= row < len(self.table):
            raise OptionError("choose a concept in the table first: marks belong to one")
        self.open(layer, source)
        if self.pointing is not None:
            self.pointing.take_up(tool, self.table.vocabulary, row + 1, positive=yes)

    def lessons(self) -> tuple[Lesson, ...]:
        """All marks and corrections of the shown plane."""
        if self.picture is None or self.pointing is None:
            raise OptionError("there is nothing to learn from yet; press Segment, then mark")
        plane, vocabulary = self.plane, self.table.vocabulary
        marks = self.pointing.marks(plane, vocabulary)
        found, suggested = self.picture.corrected(plane), self.picture.proposed(plane)
        if found is not None and suggested is not None:
            marks += marks_of_corrections(*found, suggested, vocabulary)
        if not marks:
            raise OptionError(
                "there is nothing to learn from in this plane: scribble, click or draw a box for "
                "a concept, or correct the suggestion with the brush"
            )
        return (Lesson(plane, marks),)

    def accept(self, rows: Sequence[int], how: Preserve, *, whole_stack: bool) -> int:
        """Accept concepts, in the shown plane or in all that have a suggestion."""
        if self.picture is None:
            raise OptionError("there is nothing to accept yet; press Segment first")
        planes = self.picture.planes
        if not whole_stack:
            planes = tuple(plane for plane in planes if plane == self.plane)
        pixels = self.picture.accept([row + 1 for row in rows], planes, how, self.looks)
        self.recolour()
        self._describe()
        return pixels

    def pixels_of_person(self, label: int) -> int:
        """What would be lost with this label: corrected and accepted pixels of all pictures."""
        return sum(picture.pixels_of_person(label) for picture in self._pictures.values())

    def forget_corrections(self) -> None:
        if self.picture is not None:
            self.picture.forget_corrections(self.plane)

    def statistics(self) -> Statistics:
        """What stands in the shown plane."""
        if self.picture is None or not len(self.table):
            return Statistics()
        return self.picture.statistics(self.plane, len(self.table))

    def tell_statistics(self) -> None:
        """The viewer shows another plane, or another picture is looked at."""
        self.statistics_changed.emit(self.statistics())

    def next_uncertain(self) -> Place:
        """Move the view to the place where the engine was least sure, then to the next."""
        drawn = None
        if self.picture is not None and len(self.table):
            drawn = self.picture.drawn(self.plane, self.table.vocabulary)
        if self.picture is None or drawn is None:
            raise OptionError("this plane has no suggestion yet; press Segment first")
        if not self._places:
            self._places = list(uncertain_places(drawn.margin, drawn.persons))
        if not self._places:
            raise OptionError("nothing is uncertain in this plane: everything is settled")
        place = self._places.pop(0)
        self._look_at(place, self.picture.outputs.draft, drawn.plane)
        return place

    def recolour(self) -> None:
        """Show concepts in the colours of the table."""
        if self.picture is None or not len(self.table):
            return
        looks = self.looks
        self.picture.colour(looks)
        if self.pointing is not None:
            self.pointing.colour(looks.vocabulary)

    def close(self) -> None:
        self.viewer.layers.events.removed.disconnect(self._forget_layer)
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _forget_layer(self, event: Any) -> None:
        """A removed picture is let go; what was made from it stays as the person's layers."""
        gone = self._pictures.pop(id(event.value), None)
        self._pointing.pop(id(event.value), None)
        if gone is not None and gone is self.picture:
            self.turn_to(None)

    def _relabel(self, moved: tuple[int, ...]) -> None:
        vocabulary = self.table.vocabulary if len(self.table) else None
        for picture in self._pictures.values():
            picture.relabel(moved)
        for pointing in self._pointing.values():
            pointing.relabel(moved, vocabulary)
        self.recolour()

    def _watch_draft(self) -> None:
        draft = None if self.picture is None else self.picture.outputs.draft
        if self._watch is not None and self._watch.layer is not draft:
            self._watch.close()
            self._watch = None
        if draft is not None and self._watch is None:
            self._watch = EditWatch(draft)
            self._watch.changed.connect(self._pass_edit)
            self._watch.label_chosen.connect(self._pass_label)

    def _pass_edit(self) -> None:
        self.edited.emit()

    def _pass_label(self, label: int) -> None:
        self.label_chosen.emit(label)

    def _describe(self) -> None:
        picture, words = self.picture, len(self.table)
        if picture is not None and words and picture.suggestion(self.plane) is not None:
            told = picture.describe(self.plane, self.table.vocabulary)
            self.statistics_changed.emit(told)
        else:
            self.statistics_changed.emit(Statistics())

    def _look_at(self, place: Place, layer: Any, plane: Plane) -> None:
        world = layer.data_to_world((*plane, place.row, place.column))
        camera = self.viewer.scene.camera
        shown = [world[axis] for axis in self.viewer.dims.displayed]
        camera.center = (*camera.center[: 3 - len(shown)], *shown)
        camera.zoom = max(camera.zoom, _PLACE_PIXELS / (place.size * float(layer.scale[-1])))
