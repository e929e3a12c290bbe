"""What `ovseg annotate` says while it works and when it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import typer

from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.exporting import say_exported
from ovseg_annotate.cli.talk import ProgressView, Talk
from ovseg_annotate.overlay import concept_shares
from ovseg_annotate.plain_data import json_text
from ovseg_annotate.regions import AnnotatedImage
from ovseg_annotate.run_folder import ExportReport, Plan, Result, RunFolder

_REASONS_SHOWN = 20


class Report:
    """Counts the pictures of one run; talk on stderr, data on stdout."""

    def __init__(self, talk: Talk, *, json: bool) -> None:
        self.talk = talk
        self.exports: list[ExportReport] = []
        self._json = json
        self._plan = Plan((), (), ())  # until there is one
        self._out = Path()
        self._annotated = 0
        self._failures: list[tuple[str, str]] = []
        self._warned: set[str] = set()
        self._view: ProgressView | None = None

    @contextlib.contextmanager
    def following(self, plan: Plan, folder: RunFolder) -> Iterator[None]:
        """Say what is to be done, and show how far it is."""
        self._plan, self._out = plan, folder.path
        self._folder = folder
        kept = ""
        if plan.finished:
            kept += f"; {len(plan.finished)} were finished before"
        if plan.corrected:
            kept += f"; {len(plan.corrected)} carry corrections and stay as they are"
        self.talk.say(f"{_pictures(len(plan.to_do))} to annotate{kept}")
        for state, pictures in (("finished", plan.finished), ("corrected", plan.corrected)):
            for picture in pictures:
                record = str(folder.record_path(picture))
                self._emit({"picture": picture.name, "state": state, "record": record})
        with self.talk.progress(len(plan.to_do), "picture") as self._view:
            yield

    def picture(self, result: Result) -> None:
        """Take note of one picture."""
        name = result.picture.name
        if self._view is not None:
            self._view.advance(name)
        if result.image is None:
            reason = str(result.error)
            self._failures.append((name, reason))
            self._emit({"picture": name, "state": "failed", "error": reason})
            return
        self._annotated += 1
        for warning in result.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self.talk.warn(warning)
        self._emit(_described(result, result.image, self._folder))

    def stopped(self, code: Exit) -> Exit:
        """A person or the system wants the process to end."""
        self._failed_pictures()
        left = len(self._plan.to_do) - self._annotated - len(self._failures)
        done = f"{_pictures(self._annotated)} annotated and kept, {left} left"
        if self._plan == Plan((), (), ()):
            done = "nothing was annotated yet"
        self.talk.say(f"stopped; {done}. The same command goes on from here")
        self._emit_summary(code, left)
        return code

    def finished(self) -> Exit:
        """Everything was tried."""
        self._failed_pictures()
        for export in self.exports:
            say_exported(export, self.talk)
        self.talk.say(
            f"{_pictures(self._annotated)} annotated, {len(self._failures)} failed, "
            f"{len(self._plan.finished)} finished before, {len(self._plan.corrected)} corrected; "
            f"look at them with: ovseg show {self._out}"
        )
        there = self._annotated + len(self._plan.finished) + len(self._plan.corrected)
        code = Exit.FINE
        if self._failures:
            code = Exit.SOME_FAILED if there else Exit.NOTHING_DONE
        self._emit_summary(code, 0)
        if not self._json:
            typer.echo(self._out)
        return code

    def _failed_pictures(self) -> None:
        for name, reason in self._failures[:_REASONS_SHOWN]:
            self.talk.error(f"{name}: {reason}")
        if len(self._failures) > _REASONS_SHOWN:
            self.talk.error(f"... and {len(self._failures) - _REASONS_SHOWN} more; see --json")

    def _emit_summary(self, code: Exit, left: int) -> None:
        summary = {
            "annotated": self._annotated,
            "failed": len(self._failures),
            "finished_before": len(self._plan.finished),
            "corrected": len(self._plan.corrected),
            "left": left,
            "out": str(self._out),
            "exports": {export.format: str(export.folder) for export in self.exports},
            "kept_files": [str(path) for export in self.exports for path in export.kept],
            "exit": int(code),
        }
        self._emit({"summary": summary})

    def _emit(self, document: dict[str, object]) -> None:
        if self._json:
            typer.echo(json_text(document))


def _described(result: Result, image: AnnotatedImage, folder: RunFolder) -> dict[str, object]:
    return {
        "picture": result.picture.name,
        "state": "annotated",
        "record": str(folder.record_path(result.picture)),
        "width": image.size.width,
        "height": image.size.height,
        "regions": len(image.regions),
        "shares": {one.name: round(one.share, 6) for one in concept_shares(image)},
        "warnings": list(result.warnings),
    }


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"
