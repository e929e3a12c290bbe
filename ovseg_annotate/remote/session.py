"""A session on a server, with the interface of `session.Session`."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from functools import partial
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.annotation import Annotation, Outcome
from ovseg_annotate.card import EngineCard
from ovseg_annotate.errors import Cancelled, FormatError, ImageError, OvsegError, ServerError
from ovseg_annotate.formats.fields import plain_json
from ovseg_annotate.image import Image, ReadingOptions, file_bytes
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.model_names import digest_with
from ovseg_annotate.pointing.cells import CellEvidence
from ovseg_annotate.pointing.examples import VisualExamples
from ovseg_annotate.pointing.marks import Mark, check_marks
from ovseg_annotate.pointing.picking import Picked, PickOptions
from ovseg_annotate.remote.checked_answers import (
    SMALL,
    annotation_about,
    evidence_about,
    most_bytes,
    picked_about,
    text_bank_about,
)
from ovseg_annotate.remote.connection import Ask, Connection, not_ours
from ovseg_annotate.remote.served import Served
from ovseg_annotate.remote.uploading import Upload, Uploader, upload_of
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch
from ovseg_annotate.wire import answers
from ovseg_annotate.wire.packets import MEDIA_TYPE
from ovseg_annotate.wire.questions import (
    AnnotateQuestion,
    EvidenceQuestion,
    ExamplesQuestion,
    PickQuestion,
    Question,
    TextQuestion,
    VectorQuestion,
)
from ovseg_annotate.wire.subjects import Model, Sight

if TYPE_CHECKING:
    from ovseg_annotate.text.bank import TextBank

_AHEAD = 3  # pictures on their way beyond the one the caller holds

Answer = TypeVar("Answer")


class RemoteSession:
    """Annotates pictures on a server; safe to share between threads.

    A picture travels once, and again only if the server dropped it; what is asked about it is
    small. The answers are those of a session on the server's own machine, byte for byte.
    """

    def __init__(self, connection: Connection, served: Served) -> None:
        self.served = served
        self.lesson: Lesson | None = None
        self._lesson_upload: Upload | None = None
        self._connection = connection
        self._uploader = Uploader(connection)

    @property
    def base_model(self) -> str:
        return self.served.model

    @property
    def model(self) -> str:
        """The model as the server was started with it, and which version of it this is."""
        version = "" if self.lesson is None else f"+{self.lesson.digest[:16]}"
        return self.base_model + version

    @property
    def card(self) -> EngineCard:
        return self.served.card

    @property
    def precision(self) -> str:
        return self.served.precision

    @property
    def weights_digest(self) -> str:
        """Names all numbers that answers come from: the engine's weights and the lesson."""
        base = self.card.weights_digest
        return base if self.lesson is None else digest_with(base, self.lesson.digest)

    def taught(self, lesson: Lesson | None) -> RemoteSession:
        """A session with this lesson, or with none; it shares what was sent."""
        if lesson is not None:
            lesson.check_engine(self.card)
        other = copy(self)
        other.lesson = lesson
        other._lesson_upload = (
            None if lesson is None else upload_of("lessons", answers.lesson_bytes(lesson))
        )
        return other

    def annotate(
        self,
        image: Image,
        vocabulary: Vocabulary,
        options: AnnotateOptions | None = None,
        watch: Watch | None = None,
        examples: VisualExamples | None = None,
    ) -> Annotation:
        """Suggest a label for every pixel of a picture, from words and what was pointed at."""
        picture, shown = self._uploader.of_picture(image), self._examples_upload(examples)
        question = AnnotateQuestion(
            Sight(picture.digest),
            vocabulary,
            options or AnnotateOptions(),
            None if shown is None else shown.digest,
            model=self._model(),
        )
        return self._answer(
            question,
            (picture, shown),
            partial(annotation_about, words=vocabulary, size=image.size),
            watch,
            most=most_bytes(image.size.area, each=8),
        )

    def annotate_many(
        self,
        paths: Iterable[Path],
        vocabulary: Vocabulary,
        options: AnnotateOptions | None = None,
        reading: ReadingOptions | None = None,
        watch: Watch | None = None,
        examples: VisualExamples | None = None,
    ) -> Iterator[Outcome]:
        """Annotate picture after picture, in order; a bad one is an outcome, not the end.

        Sending pictures, the server's work and the caller's own work on each result overlap. A
        server that is away for too long is the end: the pictures are not to blame.
        """
        reading = reading or ReadingOptions()
        abandoned = Event()  # set when the caller stops asking
        stoppable = (watch or Watch()).also_stopped_by(abandoned.is_set)
        shown = self._examples_upload(examples)
        reader = partial(annotation_about, words=vocabulary, size=None)
        most = most_bytes(reading.maximum_pixels, each=8)

        def annotated(path: Path) -> Annotation:
            data = file_bytes(path, reading)
            picture = Upload("images", hashlib.sha256(data).hexdigest(), lambda: data)
            question = AnnotateQuestion(
                Sight(picture.digest, reading),
                vocabulary,
                options or AnnotateOptions(),
                None if shown is None else shown.digest,
                model=self._model(patient=True),
            )
            try:
                return self._answer(question, (picture, shown), reader, stoppable, most=most)
            except ImageError as error:  # the server knows the picture by its digest only
                raise ImageError(str(error).replace(picture.digest, str(path))) from error

        def outcome(path: Path, work: Future[Annotation]) -> Outcome:
            try:
                return Outcome(path, work.result(), None)
            except (Cancelled, ServerError):
                raise
            except OvsegError as error:
                return Outcome(path, None, error)

        senders = ThreadPoolExecutor(_AHEAD, "ovseg-send")
        pending: deque[tuple[Path, Future[Annotation]]] = deque()
        try:
            for path in paths:
                pending.append((path, senders.submit(annotated, path)))
                if len(pending) > _AHEAD:
                    yield outcome(*pending.popleft())
            while pending:
                yield outcome(*pending.popleft())
        finally:
            abandoned.set()
            senders.shutdown(cancel_futures=True)

    def examples(
        self,
        image: Image,
        marks: Sequence[Mark],
        options: AnnotateOptions | None = None,
        watch: Watch | None = None,
    ) -> VisualExamples:
        """Learn from marks what their concepts look like, for this picture and for others."""
        check_marks(marks, image.size)
        picture = self._uploader.of_picture(image)
        question = ExamplesQuestion(
            Sight(picture.digest), marks, options or AnnotateOptions(), self._model()
        )
        return self._answer(question, (picture,), answers.examples_of, watch)

    def pick(
        self,
        image: Image,
        marks: Sequence[Mark],
        options: PickOptions | None = None,
        vocabulary: Vocabulary | None = None,
        watch: Watch | None = None,
    ) -> Picked:
        """Find the one object that the marks mean; the words of its concept help to tell it."""
        picture = self._uploader.of_picture(image)
        question = PickQuestion(
            Sight(picture.digest), marks, options or PickOptions(), vocabulary, self._model()
        )
        reader, most = partial(picked_about, size=image.size), most_bytes(image.size.area, each=1)
        return self._answer(question, (picture,), reader, watch, most=most)

    def picture_vector(
        self, image: Image, options: AnnotateOptions | None = None, watch: Watch | None = None
    ) -> NDArray[np.float32]:
        """(width,): how a picture looks to the engine, whatever the words."""
        picture = self._uploader.of_picture(image)
        question = VectorQuestion(
            Sight(picture.digest), options or AnnotateOptions(), self._model()
        )
        return self._answer(question, (picture,), answers.vector_of, watch)

    def evidence(
        self,
        image: Image,
        vocabulary: Vocabulary,
        options: AnnotateOptions,
        box: tuple[float, float, float, float],
        watch: Watch | None = None,
    ) -> CellEvidence:
        """What the words alone say of the cells in a part of a picture, and how they look."""
        picture = self._uploader.of_picture(image)
        question = EvidenceQuestion(Sight(picture.digest), vocabulary, options, box, self._model())
        reader = partial(evidence_about, words=vocabulary, size=image.size)
        # A vector of a thousand numbers for 16 x 16 px, at twice the size.
        most = most_bytes(image.size.area, each=64)
        return self._answer(question, (picture,), reader, watch, most=most)

    def text_bank(self, vocabulary: Vocabulary, contrast: str = "none") -> TextBank:
        """The vectors of all phrases, with those that compete; imports torch."""
        question = TextQuestion(vocabulary, contrast, self._model())
        return self._answer(question, (), partial(text_bank_about, words=vocabulary), None)

    def close(self) -> None:
        """End the connections; the server goes on."""
        self._connection.close()

    def __enter__(self) -> RemoteSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _model(self, *, patient: bool = False) -> Model:
        lesson = None if self._lesson_upload is None else self._lesson_upload.digest
        return Model(self.card.weights_digest, lesson, patient)

    def _examples_upload(self, examples: VisualExamples | None) -> Upload | None:
        if examples is None or not len(examples):
            return None
        examples.check_engine(self.card.space)
        return upload_of("examples", answers.examples_bytes(examples))

    def _answer(
        self,
        question: Question,
        uploads: Iterable[Upload | None],
        reader: Callable[[bytes, str], Answer],
        watch: Watch | None,
        *,
        most: int = SMALL,
    ) -> Answer:
        named = (*uploads, self._lesson_upload)
        body = plain_json(question.plain()).encode("ascii")
        ask = Ask("POST", question.PATH, body, "application/json", MEDIA_TYPE, most)
        needed = tuple(each for each in named if each is not None)
        data = self._uploader.answer(ask, needed, watch or Watch())
        url = self._connection.address.url
        try:
            return reader(data, url)
        except FormatError as error:
            raise not_ours(url, error) from error
