"""From a question to an answer: what of it is a session's, and on which thread it is made."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ovseg_annotate.annotate_options import AnnotateOptions, WorkingScale, working_scales
from ovseg_annotate.any_session import AnySession
from ovseg_annotate.errors import ModelError, OptionError
from ovseg_annotate.formats import native
from ovseg_annotate.image import Image
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.options import digest_text
from ovseg_annotate.pointing.examples import VisualExamples
from ovseg_annotate.server.errors import NotHereError, NotServingError, OtherModelError
from ovseg_annotate.server.memory import Memory
from ovseg_annotate.server.uploads import Uploads
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch
from ovseg_annotate.web.background import StillLoading
from ovseg_annotate.wire import answers
from ovseg_annotate.wire.limits import Limits
from ovseg_annotate.wire.packets import MEDIA_TYPE
from ovseg_annotate.wire.pictures import picture_of
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

JSON = "application/json"

_DECODED_PIXELS = 2**27  # of pictures in memory
_SMALL_BYTES = 2**28  # of examples and lessons in memory
_MOST_PHRASES = 4096  # of a question
_LARGEST_FACTOR = 16.0  # by which a picture may be enlarged to work at it

Thing = TypeVar("Thing")


class Sessions(Protocol):
    """Where the session comes from; `web.background.BackgroundSession` is one."""

    def session(self) -> AnySession:
        """Waits for the weights; raises StillLoading or ModelError."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """In which form an answer is wanted."""

    json: bool = False  # polygons; else arrays
    gzip: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an answer."""

    content: bytes
    media_type: str = MEDIA_TYPE
    coding: str | None = None
    warnings: tuple[str, ...] = ()


class Answerer:
    """Answers questions; safe to share between threads."""

    def __init__(self, sessions: Sessions, uploads: Uploads, limits: Limits) -> None:
        self.pictures = Memory[Image](_DECODED_PIXELS)
        self._examples = Memory[VisualExamples](_SMALL_BYTES)
        self._lessons = Memory[Lesson](_SMALL_BYTES)
        self._sessions = sessions
        self._uploads = uploads
        self._limits = limits

    def keep_examples(self, data: bytes) -> None:
        digest = hashlib.sha256(data).hexdigest()
        self._examples.put(digest, answers.examples_of(data, "examples"), len(data))

    def keep_lesson(self, data: bytes) -> None:
        digest = hashlib.sha256(data).hexdigest()
        self._lessons.put(digest, answers.lesson_of(data, "lesson"), len(data))

    def has_examples(self, digest: str) -> bool:
        return self._examples.get(digest) is not None

    def has_lesson(self, digest: str) -> bool:
        return self._lessons.get(digest) is not None

    def answer(self, question: Question, wanted: Wanted, watch: Watch) -> Answer:
        """Do the work of a question."""
        watch.stop_if_asked("before the work began")
        session = self._session(question.model)
        found = self._made(question, session, wanted, watch)
        if wanted.gzip:
            return Answer(
                gzip.compress(found.content, 1, mtime=0), found.media_type, "gzip", found.warnings
            )
        return found

    def _made(
        self, question: Question, session: AnySession, wanted: Wanted, watch: Watch
    ) -> Answer:
        match question:
            case AnnotateQuestion():
                return self._annotated(question, session, wanted, watch)
            case ExamplesQuestion(sight, marks, options):
                image = self._picture(sight, options)
                found = session.examples(image, marks, options, watch)
                return Answer(answers.examples_bytes(found))
            case PickQuestion(sight, marks, picking, words):
                _check_words(words)
                image = self._picture(sight, AnnotateOptions(scale=picking.scale))
                picked = session.pick(image, marks, picking, words, watch)
                return Answer(answers.picked_bytes(picked))
            case VectorQuestion(sight, options):
                vector = session.picture_vector(self._picture(sight, options), options, watch)
                return Answer(answers.vector_bytes(vector))
            case EvidenceQuestion(sight, vocabulary, options, box):
                _check_words(vocabulary)
                image = self._picture(sight, options)
                evidence = session.evidence(image, vocabulary, options, box, watch)
                return Answer(answers.evidence_bytes(evidence))
            case TextQuestion(vocabulary, contrast):
                _check_words(vocabulary)
                return Answer(answers.text_bank_bytes(session.text_bank(vocabulary, contrast)))
        raise TypeError(f"there is no answer to a {type(question).__name__}")

    def _annotated(
        self, question: AnnotateQuestion, session: AnySession, wanted: Wanted, watch: Watch
    ) -> Answer:
        _check_words(question.vocabulary)
        image = self._picture(question.sight, question.options)
        examples = None
        if question.examples is not None:
            examples = _here(self._examples.get(question.examples), "examples", question.examples)
        made = session.annotate(image, question.vocabulary, question.options, watch, examples)
        if not wanted.json:
            return Answer(answers.annotation_bytes(made))
        name = question.sight.image if question.name is None else question.name
        record = made.annotated_image(name, question.regions)
        return Answer(native.to_bytes(record, native.Kind.SUGGESTION), JSON, None, made.warnings)

    def _session(self, model: Model) -> AnySession:
        try:
            session = self._sessions.session()
        except StillLoading:
            raise
        except ModelError as error:
            raise NotServingError(str(error)) from error
        served = session.card.weights_digest
        if model.weights not in (None, served):
            raise OtherModelError(
                f"this server runs {session.base_model} with weights {served[:12]}, the question "
                f"is for weights {str(model.weights)[:12]}; give the command again"
            )
        if model.lesson is None:
            return session
        return session.taught(_here(self._lessons.get(model.lesson), "lessons", model.lesson))

    def _picture(self, sight: Sight, options: AnnotateOptions) -> Image:
        name = f"{sight.image} {digest_text(sight.reading)}"
        image = self.pictures.get(name)
        if image is None:
            data: bytes = _here(self._uploads.read(sight.image), "images", sight.image)
            image = picture_of(data, sight.image, sight.reading)
            self.pictures.put(name, image, image.size.area)
        self._check_work(image, options)
        return image

    def _check_work(self, image: Image, options: AnnotateOptions) -> None:
        """Refuse what would be enlarged beyond all limits before any work is done for it."""
        short = min(image.size.height, image.size.width)
        for scale in working_scales(options.scale):
            factor = (scale or WorkingScale()).factor_for(short)
            if factor > _LARGEST_FACTOR or image.size.area * factor**2 > self._limits.pixels:
                raise OptionError(
                    f"scale {options.scale!r} enlarges a picture of {image.size} beyond the "
                    f"{self._limits.pixels:,} pixels that are worked at; choose a smaller one"
                )


def _here(found: Thing | None, kind: str, digest: str) -> Thing:
    if found is None:
        raise NotHereError(f"/{kind}/{digest}")
    return found


def _check_words(vocabulary: Vocabulary | None) -> None:
    if vocabulary is not None and len(vocabulary.phrases) > _MOST_PHRASES:
        raise OptionError(
            f"{len(vocabulary.phrases):,} phrases in one question; at most {_MOST_PHRASES:,} are "
            "read"
        )
