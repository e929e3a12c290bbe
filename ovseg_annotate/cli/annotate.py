"""`ovseg annotate`: pictures and words in, a run folder out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.cli.annotate_report import Report
from ovseg_annotate.cli.downloads import DownloadTalk
from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.exporting import ChosenFormat, chosen_formats, export_records
from ovseg_annotate.cli.sessions import (
    RemoteOptions,
    SessionOptions,
    chosen_session,
    vocabulary_from,
)
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.errors import Cancelled, OptionError
from ovseg_annotate.fleet.options import FleetOptions
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.lake import is_address
from ovseg_annotate.regions import RegionOptions
from ovseg_annotate.run_folder import (
    Annotator,
    Picture,
    RunFolder,
    RunReader,
    RunSettings,
    annotate_into,
    pictures_in,
)
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What goes in and what comes out."""

    prompts: str  # what to label: "car: sedan; road; -sky", or a file: @words.yaml, @words.txt
    out: str = "labels"  # the run folder; the same command goes on where it was stopped
    formats: tuple[str, ...] = ()  # exports: all, or some of those that "ovseg convert" names
    format_options: tuple[str, ...] = ()  # of the exports: label-studio.shapes=brush
    replace: bool = False  # other settings than before: make suggestions again, keep corrections
    json: bool = False  # one JSON object a picture on stdout, then a summary

    @property
    def folder(self) -> Path:
        """The run folder, which is one of this machine."""
        return Path(self.out)


@dataclass(frozen=True, slots=True)
class Request:
    """A whole command, read and checked."""

    pictures: tuple[Picture, ...]
    vocabulary: Vocabulary
    run: RunOptions
    session: SessionOptions
    annotate: AnnotateOptions
    regions: RegionOptions
    reading: ReadingOptions
    formats: tuple[ChosenFormat, ...]  # of the exports
    remote: RemoteOptions = RemoteOptions()  # noqa: RUF009  frozen


@dataclass(frozen=True, slots=True)
class Opened:
    """A loaded model, ready for the request's words."""

    weights: str  # sha256
    annotator: Annotator
    session: SessionOptions | None = None  # that it was opened with; None: those of the request
    close: Callable[[], None] = lambda: None  # lets go of the model


# Loads the model; what it returns asks the second argument between two steps whether to stop.
Opener: TypeAlias = Callable[[Request, Callable[[], bool]], Opened]


def annotate(  # noqa: PLR0913, PLR0917  one group of flags each
    pictures: Annotated[list[str], typer.Argument(help="Pictures, or folders of pictures.")],
    run: RunOptions,
    session: SessionOptions,
    remote: RemoteOptions,
    annotate: AnnotateOptions,
    regions: RegionOptions,
    reading: ReadingOptions,
    fleet: FleetOptions,
) -> None:
    """Suggest regions for pictures. Stopped at any moment, the same command goes on."""
    if fleet.fleet is not None:
        if remote.server is not None:
            raise OptionError("--fleet and --server: the workers of a fleet annotate; give one")
        from ovseg_annotate.cli.fleet_run import FleetRequest, annotate_by_fleet  # noqa: PLC0415

        asked = FleetRequest(tuple(pictures), run, session, annotate, regions, reading, fleet)
        raise typer.Exit(annotate_by_fleet(asked, Talk()))
    _refuse_addresses((*pictures, run.out))
    request = Request(
        pictures=pictures_in(map(Path, pictures), leave_out=run.folder),
        vocabulary=vocabulary_from(run.prompts),
        run=run,
        session=session,
        annotate=annotate,
        regions=regions,
        reading=reading,
        formats=chosen_formats(run.formats, run.format_options),
        remote=remote,
    )
    with StopSignals() as stops:
        raise typer.Exit(annotate_pictures(request, opened, stops, Report(Talk(), json=run.json)))


def _refuse_addresses(places: Iterable[str]) -> None:
    for place in places:
        if is_address(place):
            raise OptionError(
                f"{place}: addresses are read and written by a fleet; give --fleet local to have "
                "one on this machine"
            )


def annotate_pictures(request: Request, opener: Opener, stops: StopSignals, report: Report) -> Exit:
    """Do what is left to do, then export everything that is there."""
    with RunFolder(request.run.folder) as folder:  # first of all: one process a folder
        try:
            model = opener(request, lambda: stops.asked)
        except Cancelled:
            return report.stopped(stops.exit)
        with closing(model):
            _annotate_left(request, folder, model, report)
        reader = RunReader(request.run.folder)
        for each in request.formats:
            if not stops.asked:
                report.exports.append(export_records(folder, reader, each, report.talk))
        if stops.asked:
            return report.stopped(stops.exit)
        return report.finished()


def _annotate_left(request: Request, folder: RunFolder, model: Opened, report: Report) -> None:
    folder.adopt(_settings(request, model), request.pictures, replace=request.run.replace)
    plan = folder.plan(request.pictures)
    with report.following(plan, folder):
        try:
            for result in annotate_into(folder, plan.to_do, model.annotator, request.regions):
                report.picture(result)
        except Cancelled:
            pass


def opened(request: Request, stop: Callable[[], bool]) -> Opened:
    """Load the model with torch and all, or find it on a server."""
    talk = DownloadTalk(Talk(), stop)
    session, options = chosen_session(request.session, request.remote, talk, stop)
    annotator = partial(
        session.annotate_many,
        vocabulary=request.vocabulary,
        options=request.annotate,
        reading=request.reading,
        watch=Watch(cancel=stop),
    )
    return Opened(session.weights_digest, annotator, options, session.close)


def _settings(request: Request, model: Opened) -> RunSettings:
    session = model.session or request.session
    return RunSettings(
        model=session.model,
        weights=model.weights,
        engine_options=",".join(session.engine_options),
        vocabulary=str(request.vocabulary),
        annotate=request.annotate,
        regions=request.regions,
        reading=request.reading,
    )
