"""Suggestions for the pictures of a review that have none yet: the loop of a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from napari_plugin.monitor import Monitor, Report
from napari_plugin.preferences import Preferences
from napari_plugin.review_state import Review
from napari_plugin.sessions import Sessions
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import Cancelled, RunError
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.regions import RegionOptions
from ovseg_annotate.run_folder import Annotator, Picture, Result, RunSettings, annotate_into
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

if TYPE_CHECKING:
    from ovseg_annotate.any_session import AnySession


@dataclass(frozen=True, slots=True)
class SuggestRequest:
    """What a person asked for."""

    preferences: Preferences
    vocabulary: Vocabulary
    start: int  # position of the picture to begin with
    replace: bool  # suggestions made with other settings are made again
    model: str | None = None  # instead of that of the run


@dataclass(frozen=True, slots=True)
class Opened:
    """A loaded model, ready for the words."""

    weights: str  # sha256
    annotator: Annotator


# Loads the model for these settings, whose weights are not known yet.
Opener: TypeAlias = Callable[[RunSettings, Monitor], Opened]
SessionOpener: TypeAlias = "Callable[[RunSettings, Monitor], AnySession]"


@dataclass(frozen=True, slots=True)
class Suggested:
    """One more picture is done."""

    result: Result
    done: int
    total: int


def suggest(
    review: Review, request: SuggestRequest, opener: Opener, monitor: Monitor
) -> Iterator[Suggested]:
    """Annotate what is left to do, each picture saved before it is told; ends early on a stop."""
    wanted = _settings(review, request)
    try:
        model = opener(wanted, monitor)
    except Cancelled:
        return
    settings = replace(wanted, weights=model.weights)
    if review.settings is not None and not request.replace:
        _check_same(review.settings, settings)
    review.adopt(settings, replace=True)
    plan = review.folder.plan(_from(review, request.start))
    total = len(plan.to_do)
    monitor.tell(Report("suggesting", 0, total))
    results = annotate_into(review.folder, plan.to_do, model.annotator, settings.regions)
    try:
        for done, result in enumerate(results, start=1):
            monitor.tell(Report("suggesting", done, total))
            yield Suggested(result, done, total)
    except Cancelled:
        return


def opener_of(keeper: Sessions, preferences: Preferences) -> Opener:
    """Opens the model of the settings with the device and the cache of the preferences."""
    open_session = session_opener(keeper, preferences)

    def opened(settings: RunSettings, monitor: Monitor) -> Opened:
        session = open_session(settings, monitor)
        annotator = partial(
            session.annotate_many,
            vocabulary=Vocabulary.parse(settings.vocabulary),
            options=settings.annotate,
            reading=settings.reading,
            watch=Watch(cancel=monitor.is_stopped),
        )
        return Opened(session.weights_digest, annotator)

    return opened


def session_opener(keeper: Sessions, preferences: Preferences) -> SessionOpener:
    """Opens the session that the settings name."""

    def opened(settings: RunSettings, monitor: Monitor) -> AnySession:
        if settings.engine_options:
            raise RunError(
                f"this run uses engine options ({settings.engine_options}), which the dock cannot "
                "set; make its suggestions with 'ovseg annotate' and review them here"
            )
        return keeper.session(replace(preferences, model=settings.model), monitor)

    return opened


def _settings(review: Review, request: SuggestRequest) -> RunSettings:
    """The settings of the run with the words of now; a new run has the usual ones."""
    if review.settings is not None:
        model = review.settings.model if request.model is None else request.model
        return replace(review.settings, vocabulary=str(request.vocabulary), model=model)
    return RunSettings(
        model=request.preferences.model,
        weights="",
        engine_options="",
        vocabulary=str(request.vocabulary),
        annotate=AnnotateOptions(),
        regions=RegionOptions(),
        reading=ReadingOptions(),
    )


def _check_same(before: RunSettings, now: RunSettings) -> None:
    differences = before.differences(now)
    if differences:
        raise RunError(
            f"the suggestions there were made with other settings ({'; '.join(differences)}). "
            "Tick 'Make other suggestions again' to have them made with these; people's "
            "corrections stay. Or choose another folder for the records"
        )


def _from(review: Review, start: int) -> list[Picture]:
    """All pictures, beginning with the one that a person looks at."""
    pictures = [item.picture for item in review.items]
    return [*pictures[start:], *pictures[:start]]
