"""The worker's side of the dock: pictures and words in, suggestions out.

What an engine said about a plane is kept without any threshold, so that thresholds and the
minimum area change a suggestion in milliseconds; other words run on kept features.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_plugin.monitor import Report
from napari_plugin.thresholds import sieved, without_weak
from ovseg_annotate.options import digest_text
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

if TYPE_CHECKING:
    from napari_plugin.answers import Learnt, PlaneAnswer
    from napari_plugin.layer_data import Labels
    from napari_plugin.learning import Learning
    from napari_plugin.monitor import Monitor
    from napari_plugin.pictures import PictureSource, Plane
    from napari_plugin.preferences import Preferences
    from napari_plugin.sessions import Sessions
    from ovseg_annotate.annotate_options import AnnotateOptions
    from ovseg_annotate.annotation import Annotation
    from ovseg_annotate.any_session import AnySession
    from ovseg_annotate.image import Image
    from ovseg_annotate.label_map import LabelMap
    from ovseg_annotate.provenance import Provenance
    from ovseg_annotate.refine.region_votes import RegionMap
    from ovseg_annotate.region_options import RegionOptions
    from ovseg_annotate.watch import Progress

_KEPT_PIXELS = 2**27  # of pictures and of what was said about them, at some 10 bytes a pixel
_SAMPLE_PIXELS = 2**18  # for a mean that is told to two digits
_NOT_LEARNT = (
    "what you showed was learnt with another model and does not count with this one; it counts "
    "again when you go back, or press Learn to teach this one"
)


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What is wanted of the engine."""

    source: PictureSource
    planes: tuple[Plane, ...]
    vocabulary: Vocabulary
    annotate: AnnotateOptions
    regions: RegionOptions
    preferences: Preferences
    answers: tuple[PlaneAnswer, ...] = ()  # learnt from before anything is suggested


@dataclass(frozen=True, slots=True, eq=False)
class Suggestion:
    """What the machine proposes for one plane; arrays are (height, width)."""

    plane: Plane
    labels: Labels  # without what is weak or small
    label_map: LabelMap  # confidence and margin belong to the strongest concept, also where weak
    mean_confidence: tuple[float | None, ...]  # a concept; None: it has no pixel
    threshold: float  # that was used
    provenance: Provenance
    warnings: tuple[str, ...]

    @property
    def uncertainty(self) -> NDArray[np.float32]:
        """0 to 1: how near the runner-up is."""
        uncertainty: NDArray[np.float32] = 1.0 - self.label_map.margin.astype(np.float32)
        return uncertainty


@dataclass(frozen=True, slots=True, eq=False)
class _Said:
    """What the engine said about a plane, before thresholds, with what it belongs to."""

    image: Image
    question: tuple[object, ...]  # everything the answer depends on, beside the picture
    annotation: Annotation
    threshold: float  # the engine's own
    overlap: float  # likewise


class Suggestor:
    """Makes suggestions; used by one worker at a time."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._source: PictureSource | None = None
        self._images: OrderedDict[Plane, Image] = OrderedDict()
        self._said: OrderedDict[Plane, _Said] = OrderedDict()
        self._areas: tuple[str, int, RegionMap] | None = None
        self._opened: tuple[Preferences, AnySession] | None = None

    @cached_property
    def learning(self) -> Learning:
        """What was taught; call it from elsewhere only while nothing runs."""
        from napari_plugin.learning import Learning  # noqa: PLC0415  slow

        return Learning()

    def close(self) -> None:
        """Let go of the folders of what was learnt."""
        if "learning" in self.__dict__:  # it was needed
            self.learning.close()

    def check_pointable(self, preferences: Preferences) -> None:
        """Refuse marks if the model of these preferences is open and cannot use them."""
        if self._opened is not None and self._opened[0] == preferences:
            self._opened[1].card.check_pointable()

    def suggestions(self, request: Request, monitor: Monitor) -> Iterator[Suggestion | Learnt]:
        """What was learnt, if anything was to be, then one suggestion a plane.

        Raises `Cancelled` soon after the monitor is stopped.
        """
        if request.source is not self._source:
            self._source = request.source
            self._images.clear()
            self._said.clear()
        if request.answers:
            yield self._learn(request, monitor)
            self.learning.note_told()
        for number, plane in enumerate(request.planes, start=1):
            place = f"plane {number} of {len(request.planes)}: " if len(request.planes) > 1 else ""
            said = self._answer(request, plane, monitor, place)
            yield self._decided(request, plane, said)
        if self._opened is not None:
            news = self.learning.news(self._opened[1], request.preferences.learning_folder)
            if news is not None:
                yield news
                self.learning.note_told()

    def _learn(self, request: Request, monitor: Monitor) -> Learnt:
        from napari_plugin.learning import Material  # noqa: PLC0415  slow

        def read(source: PictureSource, plane: Plane) -> Image:
            present = source is request.source
            return self._picture(source, plane, monitor, "") if present else source.read(plane)

        session = self._session(request, monitor)
        material = Material(
            source=request.source,
            answers=request.answers,
            vocabulary=_without_looks(request.vocabulary),
            options=_undecided(request.annotate),
            folder=request.preferences.learning_folder,
            read=read,
        )
        return self.learning.learn(session, material, _watch(monitor, "looking: "), monitor)

    def _answer(self, request: Request, plane: Plane, monitor: Monitor, place: str) -> _Said:
        words = _without_looks(request.vocabulary)
        asked = _undecided(request.annotate)
        question = (words, asked, request.preferences, self.learning.changes)
        said = self._said.get(plane)
        if said is not None and said.question == question:
            self._said.move_to_end(plane)
            return said
        session = self._session(request, monitor)
        image = self._picture(request.source, plane, monitor, place)
        watch = _watch(monitor, place)
        card = session.card
        examples = self.learning.examples_for(card.space)
        if examples is not None:  # those of concepts that are gone are kept for their return
            examples = examples.only(words.names)
        taught = self.learning.taught(session, request.preferences.learning_folder)
        annotation = taught.annotate(image, words, asked, watch, examples)
        if self.learning.has_examples and examples is None:
            annotation = replace(annotation, warnings=(*annotation.warnings, _NOT_LEARNT))
        said = _Said(image, question, annotation, card.threshold, card.overlap)
        self._said[plane] = said
        self._said.move_to_end(plane)
        while len(self._said) * image.size.area > _KEPT_PIXELS and len(self._said) > 1:
            self._said.popitem(last=False)
        return said

    def _session(self, request: Request, monitor: Monitor) -> AnySession:
        session = self._sessions.session(request.preferences, monitor)
        self._opened = (request.preferences, session)
        return session

    def _picture(self, source: PictureSource, plane: Plane, monitor: Monitor, place: str) -> Image:
        if plane not in self._images:
            monitor.tell(Report(f"{place}reading the picture"))
            self._images[plane] = source.read(plane)
        self._images.move_to_end(plane)
        while len(self._images) * source.size.area > _KEPT_PIXELS and len(self._images) > 1:
            self._images.popitem(last=False)
        return self._images[plane]

    def _decided(self, request: Request, plane: Plane, said: _Said) -> Suggestion:
        own = request.annotate.threshold
        threshold = said.threshold if own is None else own
        vocabulary = _with_looks(said.annotation.label_map.vocabulary, request.vocabulary)
        whole = replace(said.annotation.label_map, vocabulary=vocabulary)
        decided = without_weak(whole, threshold)
        if request.annotate.superpixels:
            from ovseg_annotate.refine.region_votes import mode_vote  # noqa: PLC0415  slow

            decided = mode_vote(decided, self._even_areas(said.image, request.annotate.superpixels))
        labels = sieved(decided, request.regions)
        return Suggestion(
            plane=plane,
            labels=labels,
            label_map=decided,
            mean_confidence=_mean_confidence(labels, decided, len(request.vocabulary)),
            threshold=threshold,
            provenance=_provenance(
                said, vocabulary, request.annotate.settled(said.threshold, said.overlap)
            ),
            warnings=said.annotation.warnings,
        )

    def _even_areas(self, image: Image, area: int) -> RegionMap:
        from ovseg_annotate.refine.superpixels import superpixels  # noqa: PLC0415  slow

        if self._areas is None or self._areas[:2] != (image.key, area):
            self._areas = (image.key, area, superpixels(image.pixels, area))
        return self._areas[2]


def _watch(monitor: Monitor, place: str) -> Watch:
    def tell(progress: Progress) -> None:
        monitor.tell(Report(f"{place}{progress.stage}", progress.done, progress.total))

    return Watch(tell, monitor.is_stopped)


def _without_looks(vocabulary: Vocabulary) -> Vocabulary:
    """The words as an engine knows them: no thresholds, no colours."""
    return Vocabulary(tuple(replace(each, threshold=None, colour=None) for each in vocabulary))


def _undecided(options: AnnotateOptions) -> AnnotateOptions:
    """The options without what is decided here, from what is kept."""
    return replace(options, threshold=0.0, superpixels=0)


def _with_looks(competing: Vocabulary, vocabulary: Vocabulary) -> Vocabulary:
    """The person's concepts as they wrote them, then the phrases that compete with them."""
    return Vocabulary((*vocabulary, *competing.concepts[len(vocabulary) :]))


def _provenance(said: _Said, vocabulary: Vocabulary, options: AnnotateOptions) -> Provenance:
    """What a session would have written, had it been asked with these thresholds."""
    asked = _undecided(options)
    rest = said.annotation.provenance.options.removeprefix(digest_text(asked))
    return replace(
        said.annotation.provenance,
        vocabulary=str(vocabulary),
        options=f"{digest_text(options)}{rest}",
    )


def _mean_confidence(
    labels: Labels, label_map: LabelMap, concepts: int
) -> tuple[float | None, ...]:
    step = max(1, int(np.ceil(np.sqrt(labels.size / _SAMPLE_PIXELS))))
    numbers = labels[::step, ::step].ravel()
    sure = label_map.confidence[::step, ::step].ravel()
    counts = np.bincount(numbers, minlength=concepts + 1)[1 : concepts + 1]
    sums = np.bincount(numbers, sure, concepts + 1)[1 : concepts + 1]
    return tuple(
        float(total / count) if count else None for total, count in zip(sums, counts, strict=True)
    )
