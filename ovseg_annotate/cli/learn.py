"""`ovseg learn`: from the corrections of a run to better suggestions."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.fine_tuning import fine_tuned, plain_outcome
from ovseg_annotate.cli.queue import DeviceOptions, check_weights, run_session
from ovseg_annotate.cli.sessions import RemoteOptions, SessionOptions, same_session
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.errors import Cancelled, ImageError, OptionError, RunError
from ovseg_annotate.image import Image, read_image
from ovseg_annotate.learning_loop.corrections import (
    Correction,
    corrections_in_export,
    corrections_in_run,
)
from ovseg_annotate.learning_loop.journal import TakenUp
from ovseg_annotate.learning_loop.project import RUN_PROJECT, Asked, Project, Verdict
from ovseg_annotate.plain_data import json_text
from ovseg_annotate.run_folder import Picture, RunFolder, RunReader, annotate_into, is_run_folder
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

if TYPE_CHECKING:
    from ovseg_annotate.any_session import AnySession
    from ovseg_annotate.fine_tuning.outcome import FineTuned


@dataclass(frozen=True, slots=True)
class TeachingOptions:
    """From what to learn, and what to do with it."""

    corrections: Path | None = None  # an export with corrections, beside those in the run folder
    corrections_format: str = "label-studio"  # of that export, as "ovseg convert" names it
    project: Path | None = None  # folder of journal and versions; RUN/learning if not given
    pictures: Path | None = None  # where the pictures are now, if they were moved
    suggest: bool = False  # new suggestions for open pictures; answered ones stay as they are
    dry_run: bool = False  # only say what would be learnt; write nothing
    fine_tune: bool = False  # train the engine's own head instead: minutes, for engines with one
    json: bool = False  # one JSON object on stdout

    def __post_init__(self) -> None:
        if self.dry_run and self.suggest:
            raise OptionError("--dry-run writes nothing and --suggest writes: give one of the two")
        if self.dry_run and self.fine_tune:
            raise OptionError(
                "--fine-tune trains for minutes and keeps what it did, --dry-run writes nothing: "
                "give one of the two"
            )


@dataclass(frozen=True, slots=True)
class Suggested:
    """What became of the pictures of a run."""

    open: int = 0  # have new suggestions now
    failed: int = 0
    answered: int = 0  # a person's: never written over


Opener: TypeAlias = "Callable[[SessionOptions], AnySession]"


def learn(
    run: Annotated[Path, typer.Argument(help="The --out folder of ovseg annotate.")],
    teaching: TeachingOptions,
    device: DeviceOptions,
    remote: RemoteOptions,
) -> None:
    """Learn from the corrections of a run; a version that is better is put into service."""
    with StopSignals() as stops:
        raise typer.Exit(learn_with(partial(same_session, remote), run, teaching, device, stops))


def learn_with(
    opener: Opener, run: Path, options: TeachingOptions, device: DeviceOptions, stops: StopSignals
) -> Exit:
    """Take corrections up, learn, and make the open suggestions again where that is wanted."""
    try:
        finished = _learn_and_suggest(opener, run, options, device, stops)
    except Cancelled:
        if not stops.asked:
            raise
        finished = stops.exit
    if stops.asked:
        Talk().say("stopped; the same command goes on where this one ended")
        return stops.exit
    return finished


def _learn_and_suggest(
    opener: Opener, run: Path, options: TeachingOptions, device: DeviceOptions, stops: StopSignals
) -> Exit:
    talk, reader = Talk(), RunReader(run)
    folder = options.project or run / RUN_PROJECT
    with _project(folder, dry_run=options.dry_run) as project:
        for warning in project.journal.warnings:
            talk.warn(warning)
        taken = _take_up(project, reader, options, stops)
        talk.say(f"corrections: {taken.new} new, {taken.known} known, {len(project.journal)} hold")
        if not len(project.journal):
            raise RunError(
                f"nothing in {run} was corrected or accepted yet; correct some pictures first "
                f"('ovseg queue {run}' names the most useful), or name an export with --corrections"
            )
        with opener(run_session(reader.settings, device)) as session:
            check_weights(session, reader)
            learn_from = project.judge if options.dry_run else project.refresh
            watch, asked = Watch(cancel=lambda: stops.asked), _asked(reader, options)
            verdict: Verdict | FineTuned
            if options.fine_tune:
                verdict = fine_tuned(project, session, asked, watch, talk)
            else:
                verdict = learn_from(session, asked, watch=watch)
            _say(verdict, project, talk)
            suggested = Suggested()
            if options.suggest:
                suggested = _suggest(project, session, reader, options, stops)
    if options.json:
        typer.echo(json_text(_plain(taken, verdict, suggested)))
    if options.suggest:
        talk.say(
            f"{suggested.open} open pictures have new suggestions, {suggested.answered} answered "
            f"ones stay; exports are renewed by: ovseg convert {run} --to FORMAT"
        )
    return Exit.SOME_FAILED if verdict.left_out or suggested.failed else Exit.FINE


@contextmanager
def _project(folder: Path, *, dry_run: bool) -> Iterator[Project]:
    """The project, or for a dry run a copy that is thrown away."""
    if not dry_run:
        with Project(folder) as project:
            yield project
        return
    with tempfile.TemporaryDirectory() as away:
        copy = Path(away) / RUN_PROJECT
        if folder.is_dir():
            shutil.copytree(folder, copy)
        with Project(copy) as project:
            yield project


def _take_up(
    project: Project, reader: RunReader, options: TeachingOptions, stops: StopSignals
) -> TakenUp:
    taken = project.journal.take_all(
        _until_stopped(corrections_in_run(reader), stops), complete=False
    )
    if options.corrections is None:
        return taken
    export = corrections_in_export(options.corrections, options.corrections_format, reader)
    more = project.journal.take_all(_until_stopped(export, stops), complete=False)
    return TakenUp(taken.new + more.new, taken.known + more.known, 0)


def _until_stopped(corrections: Iterable[Correction], stops: StopSignals) -> Iterator[Correction]:
    for correction in corrections:
        if stops.asked:
            raise Cancelled("stopped on request while corrections were taken up")
        yield correction


def _asked(reader: RunReader, options: TeachingOptions) -> Asked:
    return Asked(
        Vocabulary.parse(reader.settings.vocabulary),
        reader.settings.annotate,
        partial(_picture, reader, options.pictures),
    )


def _picture(reader: RunReader, pictures: Path | None, name: str) -> Image:
    path = _file_of(reader, pictures, name)
    if path is None:
        raise ImageError(
            f"the run folder does not say where {name} is; name the folder of the pictures with "
            "--pictures"
        )
    return read_image(path, reader.settings.reading)


def _file_of(reader: RunReader, pictures: Path | None, name: str) -> Path | None:
    if pictures is not None:
        return pictures / name
    record = reader.record_of(name)
    return None if record is None else record.source


def _say(verdict: Verdict | FineTuned, project: Project, talk: Talk) -> None:
    talk.say(verdict.sentence)
    for left_out in verdict.left_out:
        talk.warn(f"{left_out.picture}: {left_out.reason}")
    name = project.versions.in_service.name
    if name:
        talk.say(f"in service: {project.versions.path_of(name)}")


def _suggest(
    project: Project,
    session: AnySession,
    reader: RunReader,
    options: TeachingOptions,
    stops: StopSignals,
) -> Suggested:
    """Annotate what nobody has answered with the version in service."""
    current = project.current
    taught = session.taught(None if current is None else current.lesson)
    model = project.model_in_service(session.base_model)
    settings = replace(reader.settings, model=model, weights=taught.weights_digest)
    annotator = partial(
        taught.annotate_many,
        vocabulary=Vocabulary.parse(settings.vocabulary),
        options=settings.annotate,
        reading=settings.reading,
        watch=Watch(cancel=lambda: stops.asked),
    )
    done = failed = 0
    with RunFolder(reader.path) as folder:
        pictures = tuple(_pictures(reader, options.pictures))
        folder.adopt(settings, pictures, replace=True)
        plan, answered = folder.plan(pictures), project.journal.pictures
        to_do = [each for each in plan.to_do if each.name not in answered]  # also in an export
        talk = Talk()
        with talk.progress(len(to_do), "picture") as view:
            try:
                for result in annotate_into(folder, to_do, annotator, settings.regions):
                    view.advance(result.picture.name)
                    done += result.error is None
                    if result.error is not None:
                        failed += 1
                        talk.warn(f"{result.picture.name}: {result.error}")
            except Cancelled:
                pass
    return Suggested(done, failed, len(plan.corrected) + len(plan.to_do) - len(to_do))


def _pictures(reader: RunReader, pictures: Path | None) -> Iterator[Picture]:
    for record in reader.records():
        name = record.image.name
        path = record.source if pictures is None else pictures / name
        if path is not None:
            yield Picture(name, path.absolute())


def _plain(taken: TakenUp, verdict: Verdict | FineTuned, suggested: Suggested) -> dict[str, object]:
    counts = {"corrections": {"new": taken.new, "known": taken.known}}
    if isinstance(verdict, Verdict):
        return {**counts, **_plain_verdict(verdict), "suggested": asdict(suggested)}
    return {**counts, **plain_outcome(verdict), "suggested": asdict(suggested)}


def _plain_verdict(verdict: Verdict) -> dict[str, object]:
    judgement = verdict.judgement
    return {
        "verdict": verdict.sentence,
        "version": verdict.name or None,
        "base": None if judgement is None else judgement.base,
        "present": None if judgement is None else judgement.present,
        "trials": [] if judgement is None else [asdict(each) for each in judgement.trials],
        "left_out": [asdict(each) for each in verdict.left_out],
    }


def project_of(folder: Path) -> Path:
    """The project that is meant by a folder: itself, or that of a run."""
    return folder / RUN_PROJECT if is_run_folder(folder) else folder
