"""What the Segment dock does, without a window: words and options in, layers out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from psygnal import Signal

from napari_plugin.answers import Learnt, PlaneAnswer
from napari_plugin.export_kinds import ExportKind
from napari_plugin.lanes import Errand, Lane
from napari_plugin.monitor import Monitor, Report
from napari_plugin.outlining import Outliner, Steps
from napari_plugin.pictures import (
    ChannelChoice,
    Composite,
    LayerPictures,
    PictureSource,
    Plane,
    all_planes,
    is_picture,
)
from napari_plugin.preferences import Preferences
from napari_plugin.segmented_picture import SegmentedPicture
from napari_plugin.suggesting import Request, Suggestion, Suggestor
from napari_plugin.workspace import Workspace
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import Cancelled, ImageError, OptionError, OvsegError
from ovseg_annotate.region_options import RegionOptions


@dataclass(frozen=True, slots=True)
class Settings:
    """What the form of the dock says."""

    annotate: AnnotateOptions = field(default_factory=AnnotateOptions)
    regions: RegionOptions = field(default_factory=RegionOptions)
    whole_stack: bool = False
    channels: ChannelChoice = field(default_factory=ChannelChoice)
    composite: bool = False  # all visible image layers together


@dataclass(frozen=True, slots=True)
class Lanes:
    """Where the work is done; other ones in a test."""

    suggesting: Lane
    outlining: Lane
    files: Lane
    steps: Steps


class SegmentPresenter:
    """Turns wishes into errands and their results into layers; main thread only."""

    busy_changed: ClassVar[Signal] = Signal(bool)
    finished: ClassVar[Signal] = Signal()  # nothing is under way any more, polygons included
    failed: ClassVar[Signal] = Signal(OvsegError)
    warned: ClassVar[Signal] = Signal(str)  # what the engine wants the person to know
    said: ClassVar[Signal] = Signal(str)
    threshold_used: ClassVar[Signal] = Signal(float)
    learnt: ClassVar[Signal] = Signal(Learnt)

    def __init__(
        self,
        workspace: Workspace,
        lanes: Lanes,
        suggestor: Suggestor,
        preferences: Callable[[], Preferences],
    ) -> None:
        self.workspace = workspace
        self._lanes = lanes
        self._suggestor = suggestor
        self._preferences = preferences
        self._outliner = Outliner(lanes.outlining, lanes.steps, self._end_outlines)
        self._wanted: dict[Plane, None] = {}  # asked for and not shown yet, in order
        self._learns = False  # the run under way begins with learning, which is not done yet
        self._warned: set[str] = set()  # since Segment was last pressed
        workspace.table.relabelled.connect(self._forget_numbers)
        workspace.table.looks_changed.connect(self._follow_shown)

    @property
    def busy(self) -> bool:
        """Whether suggestions are being made."""
        return self._lanes.suggesting.monitor is not None

    @property
    def learns(self) -> bool:
        """Whether something is being learnt; another run would stop that."""
        return self.busy and self._learns

    @property
    def idle(self) -> bool:
        """Whether nothing at all is under way."""
        return not (self.busy or self._outliner.busy or self._lanes.files.monitor is not None)

    @property
    def report(self) -> Report | None:
        """Where the work stands; None when there is none."""
        lanes = (self._lanes.suggesting, self._lanes.files, self._lanes.outlining)
        monitors = [lane.monitor for lane in lanes if lane.monitor is not None]
        return monitors[0].latest if monitors else None

    def source_of(self, layer: Any, settings: Settings) -> PictureSource:
        """How the form says that a layer is to be read."""
        if layer is None:
            raise ImageError("there is no picture; open one, or choose an image layer in the dock")
        if not settings.composite:
            return LayerPictures.of(layer, settings.channels)
        images = [each for each in self.workspace.viewer.layers if _is_shown_channel(each)]
        if layer not in images:
            raise ImageError(
                f"layer {layer.name!r} is hidden or a colour picture; show it, or take it alone"
            )
        return Composite.of([layer, *(each for each in images if each is not layer)])

    def segment(self, layer: Any, settings: Settings) -> None:
        """Make suggestions for the shown plane or the whole stack of a layer."""
        _ = self.workspace.table.vocabulary  # refuses before anything else happens
        picture = self.workspace.open(layer, self.source_of(layer, settings))
        shown = self.workspace.plane
        planes = [shown]
        if settings.whole_stack:
            planes += [plane for plane in all_planes(picture.source) if plane != shown]
        self._wanted = dict.fromkeys(planes)
        self._warned.clear()
        self._start(picture, settings)

    def refresh(self, settings: Settings) -> bool:
        """Do again, on what is known, what was suggested with other words or options."""
        picture = self.workspace.picture
        if picture is None or not len(self.workspace.table):
            return False
        shown = self.workspace.plane
        known = sorted(picture.planes, key=lambda plane: plane != shown)
        if not known and not self._wanted:
            return False
        self._wanted = dict.fromkeys((*known, *self._wanted))
        self._start(picture, settings)
        return True

    def learn(self, settings: Settings) -> None:
        """Learn from marks and corrections, and suggest again; what a person did stays."""
        answers = self.workspace.answers()
        picture = self.workspace.picture
        if picture is None:
            return
        self._wanted = dict.fromkeys((self.workspace.plane, *picture.planes, *self._wanted))
        self._start(picture, settings, answers)

    def check_pointable(self) -> None:
        """Refuse marks for a model that is open and cannot use them."""
        self._suggestor.check_pointable(self._preferences())

    def undo_learning(self, settings: Settings) -> None:
        """Go back to before the last Learn, and suggest again."""
        self._learn_otherwise(self._suggestor.learning.undo, settings)

    def use_version(self, name: str, settings: Settings) -> None:
        """Suggest again with another version; "" is the model as it came."""
        self._learn_otherwise(lambda: self._suggestor.learning.use(name), settings)

    def cancel(self) -> None:
        """Stop at once as far as the person sees; the network ends with its batch of windows."""
        self._wanted.clear()
        if self.busy:
            self._lanes.suggesting.stop()
            self.busy_changed.emit(False)  # noqa: FBT003  a signal has no names
            self.said.emit("stopped")
            self._end()

    def settle(self) -> bool:
        """Take in what the person painted or undid; False while a stroke is being drawn."""
        if not self.workspace.settle():
            return False
        self._follow_shown()
        return True

    def export(self, kind: ExportKind, path: Path) -> None:
        """Write all planes that have a suggestion, as they stand now."""
        from napari_plugin.exporting import Export  # noqa: PLC0415  slow to import

        picture, table = self.workspace.picture, self.workspace.table
        drawn = (
            [] if picture is None else [picture.drawn(p, table.vocabulary) for p in picture.planes]
        )
        if picture is None or not drawn:
            raise OptionError("there is nothing to export yet; press Segment first")
        origins = [picture.origin(plane, table.vocabulary) for plane in picture.planes]
        planes = tuple((d, o) for d, o in zip(drawn, origins, strict=True) if d is not None)
        export = Export(planes, kind, path)
        self._lanes.files.start(
            Errand(export.steps, lambda made: self.said.emit(f"written: {made}"), self._end_export)
        )

    def halt(self) -> None:
        """Stop everything; an export that is being written is written to its end."""
        self._wanted.clear()
        self._outliner.halt()
        if self.busy:
            self._lanes.suggesting.stop()
            self.busy_changed.emit(False)  # noqa: FBT003

    def close(self) -> None:
        """The dock goes away; what is in the viewer stays."""
        self.halt()
        self.workspace.close()
        self._suggestor.close()

    def _learn_otherwise(self, change: Callable[[], Learnt], settings: Settings) -> None:
        if self.busy:
            raise OptionError("a run is under way; cancel it first")
        self.learnt.emit(change())
        self.refresh(settings)

    def _start(
        self,
        picture: SegmentedPicture,
        settings: Settings,
        answers: tuple[PlaneAnswer, ...] = (),
    ) -> None:
        request = Request(
            source=picture.source,
            planes=tuple(self._wanted),
            vocabulary=self.workspace.table.vocabulary,
            annotate=settings.annotate,
            regions=settings.regions,
            preferences=self._preferences(),
            answers=answers,
        )

        def work(monitor: Monitor) -> Iterator[Suggestion | Learnt]:
            return self._suggestor.suggestions(request, monitor)

        def take(result: Suggestion | Learnt) -> None:
            if isinstance(result, Learnt):
                self._learns = False
                self.learnt.emit(result)
            else:
                self._show(picture, result)

        self._learns = bool(answers)
        self._lanes.suggesting.start(Errand(work, take, self._end_run))
        self.busy_changed.emit(True)  # noqa: FBT003

    def _show(self, picture: SegmentedPicture, suggestion: Suggestion) -> None:
        if not self.workspace.is_there(picture):
            self.cancel()
            self.said.emit(f"{picture.name} was removed meanwhile; its suggestion is not shown")
            return
        self._wanted.pop(suggestion.plane, None)
        self.workspace.show(picture, suggestion)
        self.threshold_used.emit(suggestion.threshold)
        for warning in suggestion.warnings:
            if warning not in self._warned:  # once: a moving slider asks many times
                self._warned.add(warning)
                self.warned.emit(warning)
        self._outliner.follow(picture, suggestion.plane, self.workspace.looks)

    def _end_run(self, error: Exception | None) -> None:
        self.busy_changed.emit(False)  # noqa: FBT003
        self._end(error)

    def _end_outlines(self, error: Exception | None) -> None:
        self._end(error)

    def _end_export(self, error: Exception | None) -> None:
        self._end(error)

    def _end(self, error: Exception | None = None) -> None:
        if isinstance(error, OvsegError) and not isinstance(error, Cancelled):
            self.failed.emit(error)
        elif error is not None and not isinstance(error, Cancelled):
            raise error
        if self.idle:
            self.finished.emit()

    def _forget_numbers(self, _moved: tuple[int, ...]) -> None:
        """Results under way count concepts as they were before."""
        self._outliner.forget()
        if self.busy:
            self._lanes.suggesting.stop()
            self.busy_changed.emit(False)  # noqa: FBT003

    def _follow_shown(self) -> None:
        picture = self.workspace.picture
        if picture is not None and len(self.workspace.table):
            self._outliner.follow(picture, self.workspace.plane, self.workspace.looks)


def _is_shown_channel(layer: Any) -> bool:
    """A visible image layer of one channel that is no map of ours."""
    return is_picture(layer) and not layer.rgb and bool(layer.visible)
