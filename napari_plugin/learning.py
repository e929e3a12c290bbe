"""The worker's side of Learn: marks become examples, corrections a version of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from napari_plugin.answers import Learnt, PlaneAnswer
from napari_plugin.monitor import Monitor, Report
from napari_plugin.pictures import PictureSource, Plane
from napari_plugin.plane_corrections import correction_of
from napari_plugin.projects import Projects, version_offers
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import Cancelled, ImageError, OptionError
from ovseg_annotate.image import Image
from ovseg_annotate.learning_loop.project import Asked, Project
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ovseg_annotate.any_session import AnySession
    from ovseg_annotate.pointing.examples import VisualExamples
    from ovseg_annotate.watch import Watch


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What there is to learn from, and how pictures are asked for."""

    source: PictureSource
    answers: tuple[PlaneAnswer, ...]
    vocabulary: Vocabulary
    options: AnnotateOptions
    folder: Path | None  # of projects; None: what is learnt goes with the dock
    read: Callable[[PictureSource, Plane], Image]


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """What one Learn changed."""

    examples: dict[tuple[str, str], VisualExamples]  # those before it
    switched: Path | None  # project whose version is another one since; None: none is


class Learning:
    """Everything that was taught to any model; used by one thread at a time."""

    def __init__(self) -> None:
        self.changes = 0  # so far: what was said before the last one is out of date
        # By the key of the picture and the space of the engine.
        self._examples: dict[tuple[str, str], VisualExamples] = {}
        self._projects = Projects()
        self._present: Path | None = None  # project of the model that was used last
        self._answered: set[tuple[str, Plane]] = set()  # name of the source, plane
        self._pictures: dict[str, tuple[PictureSource, Plane]] = {}  # by name in a journal
        self._steps: list[_Step] = []
        self._untold: Learnt | None = None  # the run that learnt it was stopped before it told
        self._writing = Lock()
        self._closed = False

    @property
    def has_examples(self) -> bool:
        return bool(self._examples)

    def examples_for(self, space: str) -> VisualExamples | None:
        """What an engine was shown in all pictures together; other engines see otherwise."""
        own = [each for each in self._examples.values() if each.engine == space]
        return reduce(add, own) if own else None

    def taught(self, session: AnySession, folder: Path | None) -> AnySession:
        """The session with the version in service."""
        if self._closed or (folder is None and self._present is None):
            return session
        place = self._projects.place(folder, session.card.space)
        lesson = self._projects.lesson(place)
        return session if lesson is None else session.taught(lesson)

    def news(self, session: AnySession, folder: Path | None) -> Learnt | None:
        """What is in service from earlier days, or of another model; None when that is told."""
        if self._closed or (folder is None and self._present is None):
            return None
        place = self._projects.place(folder, session.card.space)
        if place != self._present:
            self._present = place
            name = Versions(place).in_service.name
            self._untold = self._told(f"in service: {name}" if name else "")
        return self._untold

    def note_told(self) -> None:
        """The dock knows how learning stands."""
        self._untold = None

    def learn(
        self, session: AnySession, material: Material, watch: Watch, monitor: Monitor
    ) -> Learnt:
        """Take everything in; corrections are in the journal before anything is made of them."""
        with self._writing:
            if self._closed:
                raise Cancelled("the dock is closed")
            self._untold = self._learn(session, material, watch, monitor)
            return self._untold

    def undo(self) -> Learnt:
        """Go back to how it was before the last Learn."""
        if not self._steps:
            raise OptionError("nothing was learnt that could be undone; press Learn first")
        step = self._steps[-1]
        if step.switched is not None:
            self._projects.opened(step.switched).roll_back()
        self._steps.pop()
        self._examples = step.examples
        self.changes += 1
        return self._told("suggestions are as before the last Learn")

    def use(self, name: str) -> Learnt:
        """Put another version into service; "" for the model as it came."""
        if self._present is None:
            raise OptionError("nothing was learnt yet; press Learn first")
        if name != Versions(self._present).in_service.name:
            self._projects.opened(self._present).use(name)
            self._steps.append(_Step(self._examples, self._present))
            self.changes += 1
        return self._told(f"in service: {name or 'the model as it came'}")

    def close(self) -> None:
        """Let other processes learn in the same folder; waits for what is being written."""
        with self._writing:
            self._closed = True
            self._projects.close()

    def _learn(
        self, session: AnySession, material: Material, watch: Watch, monitor: Monitor
    ) -> Learnt:
        space, examples = session.card.space, dict(self._examples)
        place = self._present = self._projects.place(material.folder, space)
        project = self._projects.opened(place)
        for answer in material.answers:
            known = (material.source.name, answer.plane)
            if not answer and known not in self._answered:
                continue
            self._answered.add(known)
            image = material.read(material.source, answer.plane)
            if answer.marks:
                monitor.tell(Report("learning from marks"))
                shown = session.examples(image, answer.marks, material.options, watch)
                examples[image.key, space] = shown
            else:
                examples.pop((image.key, space), None)
            self._take_correction(project, material, answer, image)
        sentences, switched = [], None
        marked = examples.keys() != self._examples.keys() or any(
            answer.marks for answer in material.answers
        )
        if marked:
            sentences.append("what is marked counts from now on")
        if len(project.journal) or not marked:
            monitor.tell(Report("learning from corrections"))
            verdict = project.refresh(session, self._asked(material), watch=watch)
            sentences.append(verdict.sentence)
            switched = None if verdict.version is None else place
        if marked or switched is not None:
            self._steps.append(_Step(self._examples, switched))
            self._examples = examples
            self.changes += 1
        return self._told("; ".join(sentences))

    def _take_correction(
        self, project: Project, material: Material, answer: PlaneAnswer, image: Image
    ) -> None:
        plane = "".join(f" {place}" for place in answer.plane)
        name = f"{material.source.name}{plane} {image.key[:12]}"
        self._pictures[name] = (material.source, answer.plane)
        if answer.painted is None:
            project.journal.withdraw(name)
        else:
            project.take(correction_of(answer.painted, material.vocabulary, name))

    def _asked(self, material: Material) -> Asked:
        def picture(name: str) -> Image:
            if name not in self._pictures:
                raise ImageError(f"{name} is not open in this window; open it and press Learn")
            return material.read(*self._pictures[name])

        return Asked(material.vocabulary, material.options, picture)

    def _told(self, sentence: str) -> Learnt:
        if self._present is None:
            return Learnt(sentence, (), "")
        versions = Versions(self._present)
        return Learnt(sentence, version_offers(versions), versions.in_service.name)
