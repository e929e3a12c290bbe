"""The words of the dock and the pictures they were used on, in one viewer; knows no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from psygnal import Signal

from napari_plugin.accepting import Preserve
from napari_plugin.answers import PlaneAnswer
from napari_plugin.concept_table import ConceptTable
from napari_plugin.edits import EditWatch
from napari_plugin.pictures import PictureSource, Plane
from napari_plugin.pointing_layers import PointingLayers, Tool
from napari_plugin.segmented_picture import Looks, SegmentedPicture, Statistics
from napari_plugin.suggesting import Suggestion
from napari_plugin.uncertain_places import Place
from ovseg_annotate.errors import OptionError

_PLACE_PIXELS = 120.0  # a place in doubt is at least so large on the screen


class Workspace:
    """Main thread only."""

    statistics_changed: ClassVar[Signal] = Signal(Statistics)  # of the shown plane
    edited: ClassVar[Signal] = Signal()  # a person changed labels; `settle` soon
    painted: ClassVar[Signal] = Signal()  # a stroke was taken in
    label_chosen: ClassVar[Signal] = Signal(int)  # with napari's own controls

    def __init__(self, viewer: Any) -> None:
        self.viewer = viewer
        self.table = ConceptTable()
        self.picture: SegmentedPicture | None = None  # the one that the dock is about
        self.pointing: PointingLayers | None = None
        self._pictures: dict[int, SegmentedPicture] = {}  # by the identity of the image layer
        self._pointing: dict[int, PointingLayers] = {}
        self._watch: EditWatch | None = None
        self._places: tuple[Place, ...] = ()  # those that are gone through
        self._visited = 0  # of them
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
        self._watch_draft()
        self.recolour()  # the layers tell the change themselves, and `settle` follows

    def settle(self) -> bool:
        """Take in what the person did; False while a stroke is still being drawn."""
        if self._watch is None or self.picture is None:
            return True
        if self._watch.stroking:
            return False
        painted = self._watch.take_painted()
        self.picture.edited(painted=painted)
        self._describe()
        if painted:
            self.painted.emit()
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

    def answers(self) -> tuple[PlaneAnswer, ...]:
        """All marks and corrections of the present picture, plane by plane."""
        if self.picture is None or self.pointing is None:
            raise OptionError("there is nothing to learn from yet; press Segment, then mark")
        planes = dict.fromkeys((self.plane, *self.picture.planes))
        answers = tuple(self._answer(self.picture, self.pointing, plane) for plane in planes)
        if not any(answers) and not self.picture.was_learnt_from:
            raise OptionError(
                "there is nothing to learn from in this picture: scribble, click or draw a box for "
                "a concept, or correct the suggestion with the brush"
            )
        self.picture.was_learnt_from = True
        return answers

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
        """Move the view to the place that is most in doubt, then to the next."""
        picture, plane = self.picture, self.plane
        if picture is None or picture.suggestion(plane) is None:
            raise OptionError("this plane has no suggestion yet; press Segment first")
        places = picture.places.get(plane)
        if places is None:
            raise OptionError("this plane is still being looked through; try again in a moment")
        if not places:
            raise OptionError("nothing is in doubt in this plane: everything is settled")
        if places is not self._places:  # others since they were last gone through
            self._places, self._visited = places, 0
        place = places[self._visited % len(places)]
        self._visited += 1
        self._look_at(place, picture.outputs.draft, plane)
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

    def _answer(
        self, picture: SegmentedPicture, pointing: PointingLayers, plane: Plane
    ) -> PlaneAnswer:
        marks = pointing.marks(plane, self.table.vocabulary)
        return PlaneAnswer(plane, marks, picture.painted(plane))

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
