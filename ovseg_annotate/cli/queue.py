"""`ovseg queue`: which pictures of a run to correct next, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console
from rich.table import Table

from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.sessions import SessionOptions, opened_session
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.errors import ImageError, ModelError, OptionError, RunError
from ovseg_annotate.learning_loop.choice import By, Choice
from ovseg_annotate.learning_loop.looks import Looks, Seen, look_at
from ovseg_annotate.learning_loop.queue import Order, RunPictures, next_in_queue
from ovseg_annotate.run_folder import RunReader, RunSettings

if TYPE_CHECKING:
    from ovseg_annotate.session import Session


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """What comes first."""

    next: int = 20  # pictures to name
    by: By = "both"  # doubt and difference together, one of them, or the honest baseline
    seed: int = 0  # of the random order, and of what is looked at when there is too much
    pool: int = 2000  # open pictures that are looked at; of more, so many are drawn
    pictures: Path | None = None  # where the pictures are now, if they were moved
    json: bool = False  # one JSON object on stdout

    def __post_init__(self) -> None:
        for name in ("next", "pool"):
            if getattr(self, name) < 1:
                raise OptionError(f"--{name} {getattr(self, name)}: allowed: 1 or more")


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """Where the run's own model looks at its pictures."""

    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    precision: str = "auto"  # auto, float32, bfloat16, float16
    cache: str = "none"  # image features that were kept on disk: none, default, or a folder
    offline: bool = False  # never use the network


@dataclass(frozen=True, slots=True)
class Failed:
    """A picture that could not be looked at."""

    picture: str
    reason: str


Opener: TypeAlias = "Callable[[SessionOptions], Session]"


def queue(
    run: Annotated[Path, typer.Argument(help="The --out folder of ovseg annotate.")],
    queue: QueueOptions,
    device: DeviceOptions,
) -> None:
    """Name the pictures whose correction helps most, with reasons. Answered ones never come up."""
    with StopSignals() as stops:
        raise typer.Exit(queue_with(opened_session, run, queue, device, stops))


def queue_with(
    opener: Opener, run: Path, options: QueueOptions, device: DeviceOptions, stops: StopSignals
) -> Exit:
    """Look at what nobody has looked at yet; then choose."""
    talk, reader, looks = Talk(), RunReader(run), Looks(run)
    order = Order(options.next, options.by, options.seed, options.pool)
    pictures = RunPictures.of(reader)
    if not pictures.open:
        talk.say(_nothing_open(reader))
    failed: list[Failed] = []
    to_look_at = pictures.to_look_at(looks, order) if pictures.open else ()
    if to_look_at:
        with opener(_session_options(reader.settings, device)) as session:
            look = _looker(session, reader.settings, options)
            with talk.progress(len(to_look_at), "picture") as view:
                for seen in to_look_at:
                    if stops.asked:
                        talk.say("stopped; the same command goes on where this one ended")
                        return stops.exit
                    _look(seen, look, looks, failed)
                    view.advance(seen.name)
    choices = next_in_queue(reader, looks, order)
    for each in failed:
        talk.warn(f"{each.picture} was not looked at: {each.reason}")
    if failed and not choices:
        raise RunError(
            f"none of the {len(failed)} pictures could be looked at; if they were moved, name "
            "their folder with --pictures"
        )
    _tell(choices, len(pictures.open), failed, options)
    return Exit.SOME_FAILED if failed else Exit.FINE


def _look(
    seen: Seen, look: Callable[[Seen], None], looks: Looks, failed: list[Failed]
) -> None:
    raise NotImplementedError


def _tell(
    choices: tuple[Choice, ...], open_pictures: int, failed: list[Failed], options: QueueOptions
) -> None:
    if options.json:
        plain = {
            "by": options.by,
            "seed": options.seed,
            "open": open_pictures,
            "queue": [asdict(each) for each in choices],
            "failed": [asdict(each) for each in failed],
        }
        typer.echo(json.dumps(plain, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("picture", overflow="fold")
    table.add_column("in doubt", justify="right")
    table.add_column("why", overflow="fold")
    for place, each in enumerate(choices, start=1):
        doubt = "-" if each.uncertainty is None else f"{each.uncertainty:.2f}"
        table.add_row(str(place), each.picture, doubt, each.reason)
    Console().print(table, markup=False)
