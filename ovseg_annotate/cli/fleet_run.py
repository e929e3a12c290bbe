"""`ovseg annotate --fleet`: pictures and words in, a lake out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.cli.annotate import RunOptions
from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.sessions import (
    SessionOptions,
    cache_folder,
    engine_options,
    vocabulary_from,
)
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.cli.talk import ProgressView, Talk
from ovseg_annotate.errors import Cancelled, OptionError
from ovseg_annotate.fleet.cluster import Fleet, fleet
from ovseg_annotate.fleet.job import Job, SessionPlan
from ovseg_annotate.fleet.options import FleetOptions
from ovseg_annotate.fleet.pictures import FleetPicture, listed
from ovseg_annotate.fleet.plan import FleetPlan, planned
from ovseg_annotate.fleet.stages import WrittenPart, WrittenPicture
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.lake import Lake, Storage, held, is_address
from ovseg_annotate.plain_data import json_text
from ovseg_annotate.regions import RegionOptions
from ovseg_annotate.run_folder import RunSettings
from ovseg_annotate.vocabulary import Vocabulary

_REASONS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class FleetRequest:
    """A whole command, as it was typed."""

    pictures: tuple[str, ...]
    run: RunOptions
    session: SessionOptions
    annotate: AnnotateOptions
    regions: RegionOptions
    reading: ReadingOptions
    fleet: FleetOptions


def annotate_by_fleet(request: FleetRequest, talk: Talk) -> Exit:
    """Do what is left to do."""
    if request.run.formats:
        raise OptionError(
            f"--formats: a fleet writes a lake; take exports out of it with: ovseg convert "
            f"{request.run.out} --to {','.join(request.run.formats)} --out NEW_FOLDER"
        )
    vocabulary = vocabulary_from(request.run.prompts)
    storage = Storage(_absolute(request.run.out))
    pictures = listed(request.pictures, leave_out=storage.address)
    report = FleetReport(talk, storage.address, json=request.run.json)
    on_cpu = request.session.device == "cpu"
    with held(storage), StopSignals() as early, fleet(request.fleet, on_cpu=on_cpu) as machines:
        # Ray has put its own handlers in the place of ours.
        with StopSignals() as stops:
            try:
                job, plan = _prepared(request, machines, vocabulary, pictures, stops)
                with report.following(plan, machines):
                    for part in machines.annotated(job, plan.parts, lambda: stops.asked):
                        report.part(part)
            except Cancelled:
                return report.stopped(stops.exit)
        if early.asked:
            return report.stopped(early.exit)
    return report.finished()


def _prepared(
    request: FleetRequest,
    machines: Fleet,
    vocabulary: Vocabulary,
    pictures: Sequence[FleetPicture],
    stops: StopSignals,
) -> tuple[Job, FleetPlan]:
    """Open a session, take the lake, see what is left."""
    session = _session_plan(request.session)
    opened = machines.opened(session, lambda: stops.asked)
    settings = RunSettings(
        model=request.session.model,
        weights=opened.weights,
        engine_options=",".join(request.session.engine_options),
        vocabulary=str(vocabulary),
        annotate=request.annotate,
        regions=request.regions,
        reading=request.reading,
    )
    storage = Storage(_absolute(request.run.out))
    wanted = request.fleet.part_pictures
    lake = Lake.adopted(storage, settings, wanted, replace=request.run.replace)
    plan = planned(lake, pictures, retry_failed=request.fleet.retry_failed)
    return Job(session, settings, storage.address, lake.part_pictures), plan


def _absolute(place: str) -> str:
    """Workers have other working directories."""
    return place if is_address(place) else str(Path(place).absolute())


def _session_plan(options: SessionOptions) -> SessionPlan:
    folder = cache_folder(options.cache)
    return SessionPlan(
        model=options.model,
        device=options.device,
        precision=options.precision,
        cache=None if folder is None else str(folder),
        engine_options=engine_options(options.engine_options),
        offline=options.offline,
    )


class FleetReport:
    """Counts the pictures of one command; talk on stderr, data on stdout."""

    def __init__(self, talk: Talk, out: str, *, json: bool) -> None:
        self._talk = talk
        self._out = out
        self._json = json
        self._plan = FleetPlan((), 0, 0)  # until there is one
        self._annotated = self._failed = 0
        self._reasons: list[tuple[str, str]] = []  # the first few
        self._warned: set[str] = set()
        self._precisions: set[str] = set()
        self._view: ProgressView | None = None

    def following(self, plan: FleetPlan, machines: Fleet) -> ProgressView:
        """Say what is to be done; the view shows how far it is."""
        self._plan = plan
        before = f"; {plan.finished} were finished before" if plan.finished else ""
        if plan.failed:
            before += f"; {plan.failed} failed before, --retry-failed tries them again"
        sizes = machines.sizes
        workers = f"{sizes.workers} worker{'s' if sizes.workers > 1 else ''}"
        each = f"{sizes.gpus:g} GPUs" if sizes.gpus else f"{sizes.threads} threads"
        self._talk.say(f"{plan.pictures} pictures to annotate by {workers} of {each}{before}")
        self._view = self._talk.progress(plan.pictures, "picture")
        return self._view

    def part(self, part: WrittenPart) -> None:
        """Take note of a part that is written."""
        for picture in part.pictures:
            self._picture(picture)

    def stopped(self, code: Exit) -> Exit:
        """A person or the system wants the process to end."""
        self._tell_failed()
        left = self._plan.pictures - self._annotated - self._failed
        self._talk.say(
            f"stopped; {self._annotated} pictures annotated and kept, {left} left. The same "
            "command goes on from here"
        )
        self._emit_summary(code, left)
        return code

    def finished(self) -> Exit:
        """Everything was tried."""
        self._tell_failed()
        if len(self._precisions) > 1:
            self._talk.warn(
                f"answers were computed in {' and '.join(sorted(self._precisions))}, because the "
                "machines differ; name one with --precision for answers that are alike"
            )
        failed = self._failed + self._plan.failed
        self._talk.say(
            f"{self._annotated} pictures annotated, {failed} failed, {self._plan.finished} "
            f"finished before; take them out with: ovseg convert {self._out} --to coco --out "
            "NEW_FOLDER"
        )
        code = Exit.FINE
        if failed:
            there = self._annotated + self._plan.finished
            code = Exit.SOME_FAILED if there else Exit.NOTHING_DONE
        self._emit_summary(code, 0)
        if not self._json:
            typer.echo(self._out)
        return code

    def _picture(self, picture: WrittenPicture) -> None:
        if self._view is not None:
            self._view.advance(picture.name)
        if picture.error is not None:
            self._failed += 1
            if len(self._reasons) < _REASONS_SHOWN:
                self._reasons.append((picture.name, picture.error))
            self._emit({"picture": picture.name, "state": "failed", "error": picture.error})
            return
        self._annotated += 1
        self._precisions.add(picture.precision)
        for warning in picture.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self._talk.warn(warning)
        self._emit(
            {
                "picture": picture.name,
                "state": "annotated",
                "regions": picture.regions,
                "warnings": list(picture.warnings),
            }
        )

    def _tell_failed(self) -> None:
        for name, reason in self._reasons:
            self._talk.error(f"{name}: {reason}")
        if self._failed > len(self._reasons):
            self._talk.error(
                f"... and {self._failed - len(self._reasons)} more; the column error of the "
                "lake's pictures has all of them"
            )

    def _emit_summary(self, code: Exit, left: int) -> None:
        summary = {
            "annotated": self._annotated,
            "failed": self._failed + self._plan.failed,
            "finished_before": self._plan.finished,
            "left": left,
            "out": self._out,
            "exit": int(code),
        }
        self._emit({"summary": summary})

    def _emit(self, document: dict[str, object]) -> None:
        if self._json:
            typer.echo(json_text(document))
