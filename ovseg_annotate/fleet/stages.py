"""What happens to a part on its way: its files are fetched, annotated, written.

Each stage is a function of its input alone: Ray may run any of them again, anywhere, and the same
files hold the same bytes afterwards.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from ovseg_annotate._version import __version__
from ovseg_annotate.errors import ModelError, OvsegError, WeightsError
from ovseg_annotate.fleet.job import Job, SessionPlan
from ovseg_annotate.fleet.pictures import Content, FleetPicture, read_at_most, read_bytes
from ovseg_annotate.fleet.plan import PART_BYTES, PartPlan
from ovseg_annotate.image import ReadingOptions, image_of_bytes
from ovseg_annotate.lake import Answer
from ovseg_annotate.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ovseg_annotate.session import Session

# Ray moves rows of plain columns: a part is one value, so that it stays one piece.
Row: TypeAlias = dict[str, Any]
_COLUMN = "part"
_FETCHED_AT_ONCE = 8

Stage = TypeVar("Stage")


@dataclass(frozen=True, slots=True)
class FetchedPart:
    """A part with its files; of those that are too large to be carried, None."""

    plan: PartPlan
    contents: tuple[Content | OvsegError | None, ...]


@dataclass(frozen=True, slots=True)
class AnsweredPart:
    """A part with its answers."""

    plan: PartPlan
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class WrittenPicture:
    """What the person hears of one picture."""

    name: str
    regions: int
    precision: str  # "" for one that failed
    warnings: tuple[str, ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """A part that is in the lake."""

    part: str
    pictures: tuple[WrittenPicture, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a session that was opened on the fleet tells of itself."""

    weights: str  # sha256
    version: str  # of ovseg-annotate there


def packed(value: object) -> Row:
    return {_COLUMN: pickle.dumps(value, protocol=5)}


def unpacked(row: Row, kind: type[Stage]) -> Stage | OvsegError:
    """What a stage gave, or why it could not: Ray makes text of errors that are raised."""
    value = pickle.loads(row[_COLUMN])  # noqa: S301  from another process of this very fleet
    if not isinstance(value, (kind, OvsegError)):
        raise TypeError(f"expected a {kind.__name__} here, got {type(value).__name__}")
    return value


def tried(session: SessionPlan) -> Opened | OvsegError:
    """Open the session once before any picture is read, so that mistakes are told at once."""
    try:
        with session.opened() as opened:
            return Opened(opened.weights_digest, __version__)
    except OvsegError as error:
        return error


def fetch(row: Row, reading: ReadingOptions) -> Row:
    """Read the files of a part, several at once."""
    plan = unpacked(row, PartPlan)
    if isinstance(plan, OvsegError):
        return row
    with ThreadPoolExecutor(_FETCHED_AT_ONCE, "ovseg-fetch") as pool:
        contents = tuple(_within_limit(_fetched(plan.pictures, reading, pool)))
    unread = len(plan.pictures) - len(contents)
    return packed(FetchedPart(plan, (*contents, *[None] * unread)))


class Annotator:
    """One worker: a session for as long as the fleet works."""

    def __init__(self, job: Job, threads: int) -> None:
        import torch  # noqa: PLC0415  only workers need it

        # Each worker would take all cores of its machine otherwise, and all would fight.
        torch.set_num_threads(threads)
        self._job = job
        self._words = Vocabulary.parse(job.vocabulary)
        self._session = _opened(job)

    def __call__(self, row: Row) -> Row:
        session, fetched = self._session, unpacked(row, FetchedPart)
        if isinstance(session, OvsegError):
            return packed(session)
        if isinstance(fetched, OvsegError):
            return row
        pairs = zip(fetched.plan.pictures, fetched.contents, strict=True)
        answers = tuple(self._answer(session, picture, content) for picture, content in pairs)
        return packed(AnsweredPart(fetched.plan, answers))

    def _answer(
        self, session: Session, picture: FleetPicture, content: Content | OvsegError | None
    ) -> Answer:
        job = self._job
        sha256 = content.sha256 if isinstance(content, Content) else ""
        try:
            if isinstance(content, OvsegError):
                raise content
            if content is None:
                content = read_bytes(picture, job.reading)
                sha256 = content.sha256
            image = image_of_bytes(content.data, picture.file.source, job.reading)
            annotation = session.annotate(image, self._words, job.annotate)
            answer = annotation.annotated_image(picture.name, job.regions)
        except OvsegError as error:
            return Answer(picture.name, picture.file, sha256, None, error=str(error))
        return Answer(picture.name, picture.file, sha256, answer, annotation.warnings)


def write(row: Row, job: Job) -> Row:
    """Put a part into the lake."""
    answered = unpacked(row, AnsweredPart)
    if isinstance(answered, OvsegError):
        return row
    try:
        part = job.lake.write_part(answered.answers, answered.plan.kept)
    except OvsegError as error:
        return packed(error)
    return packed(WrittenPart(part, tuple(map(_told, answered.answers))))


def check_version(opened: Opened) -> None:
    """Another version gives other answers, or cannot read what this one sends."""
    if opened.version != __version__:
        raise ModelError(
            f"the fleet has ovseg-annotate {opened.version}, and this machine {__version__}; "
            "install the same version everywhere"
        )


def _opened(job: Job) -> Session | OvsegError:
    try:
        session = job.session.opened()
    except OvsegError as error:
        return error
    if session.weights_digest != job.settings.weights:
        return WeightsError(
            f"a worker of the fleet has other weights of {job.session.model} than the machine that "
            f"was asked first ({session.weights_digest[:16]}, {job.settings.weights[:16]}); put "
            "the same files on all machines"
        )
    return session


def _fetched(
    pictures: Iterable[FleetPicture], reading: ReadingOptions, pool: ThreadPoolExecutor
) -> Iterator[Content | OvsegError | None]:
    """Give the files in order; a few are fetched at once, and none before it may be wanted."""

    def one(picture: FleetPicture) -> Content | OvsegError | None:
        try:
            return read_at_most(picture, reading, PART_BYTES)
        except OvsegError as error:
            return error

    rest = iter(pictures)
    while some := tuple(islice(rest, _FETCHED_AT_ONCE)):
        yield from pool.map(one, some)


def _within_limit(
    contents: Iterator[Content | OvsegError | None],
) -> Iterator[Content | OvsegError | None]:
    """As many as may travel; the worker reads the rest itself."""
    carried = 0
    for content in contents:
        carried += len(content.data) if isinstance(content, Content) else 0
        if carried > PART_BYTES:
            return
        yield content


def _told(answer: Answer) -> WrittenPicture:
    image = answer.image
    made = None if image is None else image.provenance
    return WrittenPicture(
        answer.name,
        0 if image is None else len(image.regions),
        "" if made is None else made.precision,
        answer.warnings,
        answer.error,
    )
