"""What a model does in a review: suggest, learn from corrections and back again, look.

The project is that of the run, the same as that of `ovseg learn`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from napari_plugin.monitor import Monitor, Report
from napari_plugin.preferences import Preferences
from napari_plugin.review_state import Review
from napari_plugin.review_suggesting import (
    Opener,
    SessionOpener,
    Suggested,
    SuggestRequest,
    opener_of,
    session_opener,
    suggest,
)
from napari_plugin.sessions import Sessions
from ovseg_annotate.errors import ImageError, OvsegError, RunError
from ovseg_annotate.image import Image, read_image
from ovseg_annotate.learning_loop.choice import Choice
from ovseg_annotate.learning_loop.corrections import corrections_in_run
from ovseg_annotate.learning_loop.looks import Eyes, Looks
from ovseg_annotate.learning_loop.project import RUN_PROJECT, Asked, Project
from ovseg_annotate.learning_loop.queue import Order, RunPictures, next_in_queue
from ovseg_annotate.run_folder import RunReader, RunSettings
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

_POOL = 2000  # open pictures that are looked at; of more, so many are drawn


@dataclass(frozen=True, slots=True)
class Models:
    """How a run's models are opened: for suggestions, and to learn and to look."""

    opener: Opener
    session: SessionOpener


def models_of(keeper: Sessions, preferences: Preferences) -> Models:
    """Those that the settings name, opened with these preferences."""
    return Models(opener_of(keeper, preferences), session_opener(keeper, preferences))


@dataclass(frozen=True, slots=True)
class News:
    """What learning came to, for the person."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """The open pictures, the one whose answer helps most first."""

    choices: tuple[Choice, ...]


def suggest_all(
    review: Review, request: SuggestRequest, models: Models, monitor: Monitor
) -> Iterator[Suggested]:
    """Suggest for every picture without any."""
    return suggest(review, request, models.opener, monitor)


def learn(
    review: Review, request: SuggestRequest, models: Models, monitor: Monitor
) -> Iterator[News | Suggested]:
    """Learn from all that people answered; a better version suggests for all open pictures."""
    settings = _settings_of(review)
    session = models.session(settings, monitor)
    reader = RunReader(review.folder.path)

    def picture(name: str) -> Image:
        position = review.position_of(name)
        if position is None:
            raise ImageError(f"{name} is not among the pictures of this review; open it as well")
        return read_image(review.items[position].picture.path, settings.reading)

    with Project(review.folder.path / RUN_PROJECT) as project:
        project.journal.take_all(corrections_in_run(reader), complete=False)
        for name in sorted(review.restored):
            project.journal.withdraw(name)
        monitor.tell(Report("learning from corrections"))
        words = Vocabulary.parse(settings.vocabulary)
        watch = Watch(cancel=monitor.is_stopped)
        asked = Asked(words, settings.annotate, picture)
        verdict = project.refresh(session, asked, watch=watch)
        model = project.model_in_service(settings.model)
    yield News(verdict.sentence)
    if verdict.version is not None:
        yield from suggest(review, _again(request, model, words), models.opener, monitor)


def undo_learning(
    review: Review, request: SuggestRequest, models: Models, monitor: Monitor
) -> Iterator[News | Suggested]:
    """Go back to the version before, and have it suggest for all open pictures."""
    settings = _settings_of(review)
    with Project(review.folder.path / RUN_PROJECT) as project:
        name = project.roll_back()
        model = project.model_in_service(settings.model)
    yield News(f"in service: {name or 'the model as it came'}")
    again = _again(request, model, Vocabulary.parse(settings.vocabulary))
    yield from suggest(review, again, models.opener, monitor)


def look(
    review: Review, _request: SuggestRequest, models: Models, monitor: Monitor
) -> Iterator[Ranked | OvsegError]:
    """Order the open pictures by how much an answer to them helps; what was seen is kept."""
    settings = _settings_of(review)
    session = models.session(settings, monitor)
    reader, looks = RunReader(review.folder.path), Looks(review.folder.path)
    pointable = session.card.pointable
    order = Order(len(review.items), "both" if pointable else "uncertainty", 0, _POOL)
    eyes = Eyes(session, settings, comparable=pointable)
    left = RunPictures.of(reader).to_look_at(looks, order)
    for number, seen in enumerate(left):
        if monitor.is_stopped():
            return
        monitor.tell(Report("looking", number, len(left)))
        try:
            looks.add(eyes.look_at(seen))
        except ImageError as error:
            yield error
    yield Ranked(next_in_queue(reader, looks, order))


def _settings_of(review: Review) -> RunSettings:
    if review.settings is None:
        raise RunError("there are no suggestions yet; type the words and press Suggest first")
    return review.settings


def _again(request: SuggestRequest, model: str, words: Vocabulary) -> SuggestRequest:
    return replace(request, model=model, vocabulary=words, replace=True)
