"""What the program says to a person: on stderr, so that stdout carries data only."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_LINE_EVERY = 10.0  # seconds between progress lines in a log file


class Talk:
    """Sentences for a person."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)

    def say(self, text: str) -> None:
        self.console.print(escape(text), highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        self._marked("warning", "yellow", text)

    def error(self, text: str) -> None:
        self._marked("error", "bold red", text)

    def progress(self, total: int, unit: str) -> ProgressView:
        """How far a long piece of work is: a bar on a terminal, lines in a log."""
        if self.console.is_terminal:
            return _Bar(self.console, total, unit)
        return _Lines(self, total, unit)

    def _marked(self, word: str, style: str, text: str) -> None:
        self.console.print(
            f"[{style}]{word}:[/{style}] {escape(text)}", highlight=False, soft_wrap=True
        )


class ProgressView(Protocol):
    """Shown from `__enter__` to `__exit__`."""

    def __enter__(self) -> ProgressView: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def advance(self, note: str = "") -> None:
        """One more is done."""


class Pace:
    """Rate and remaining time of work that goes on at an even pace."""

    def __init__(self, total: int, unit: str, now: float) -> None:
        self._total, self._unit = total, unit
        self._start = now
        self.done = 0

    def text(self, now: float) -> str:
        """Such as: 12 of 40, 3.1 pictures/s, 9 s left."""
        spent = now - self._start
        parts = [f"{self.done} of {self._total}"]
        if self.done and spent > 0:
            rate = self.done / spent
            shown = f"{rate:.1f} {self._unit}s/s" if rate >= 1 else f"{1 / rate:.1f} s/{self._unit}"
            parts += [shown, f"{duration((self._total - self.done) / rate)} left"]
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """9 s, 4 min 5 s, 3 h 12 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class _Bar:
    def __init__(self, console: Console, total: int, unit: str) -> None:
        self._pace = Pace(total, unit, time.monotonic())
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            TextColumn("{task.fields[note]}", markup=False),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task(unit, total=total, pace="", note="")

    def __enter__(self) -> ProgressView:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def advance(self, note: str = "") -> None:
        self._pace.done += 1
        _, *pace = self._pace.text(time.monotonic()).split(", ", 1)
        self._progress.update(self._task, advance=1, note=note, pace="".join(pace))


class _Lines:
    def __init__(self, talk: Talk, total: int, unit: str) -> None:
        self._talk = talk
        self._said = time.monotonic()
        self._pace = Pace(total, unit, self._said)

    def __enter__(self) -> ProgressView:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pace.done:
            self._talk.say(self._pace.text(time.monotonic()))

    def advance(self, note: str = "") -> None:
        self._pace.done += 1
        now = time.monotonic()
        if now - self._said >= _LINE_EVERY:
            self._said = now
            self._talk.say(self._pace.text(now))
