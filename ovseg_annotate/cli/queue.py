"""`ovseg queue`: which pictures of a run to correct next, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.sessions import RemoteOptions, SessionOptions, same_session
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.errors import ModelError, OptionError, OvsegError, RunError
from ovseg_annotate.learning_loop.choice import By, Choice
from ovseg_annotate.learning_loop.looks import Eyes, Looks, Seen
from ovseg_annotate.learning_loop.queue import Order, RunPictures, next_in_queue
from ovseg_annotate.plain_data import json_text
from ovseg_annotate.run_folder import RunReader, RunSettings

if TYPE_CHECKING:
    from ovseg_annotate.any_session import AnySession


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


Opener: TypeAlias = "Callable[[SessionOptions], AnySession]"


def queue(
    run: Annotated[Path, typer.Argument(help="The --out folder of ovseg annotate.")],
    queue: QueueOptions,
    device: DeviceOptions,
    remote: RemoteOptions,
) -> None:
    """Name the pictures whose correction helps most, with reasons. Answered ones never come up."""
    with StopSignals() as stops:
        raise typer.Exit(queue_with(partial(same_session, remote), run, queue, device, stops))


def queue_with(
    opener: Opener, run: Path, options: QueueOptions, device: DeviceOptions, stops: StopSignals
) -> Exit:
    """Look at what nobody has looked at yet; then choose."""
    talk, reader, looks = Talk(), RunReader(run), Looks(run)
    order = Order(options.next, options.by, options.seed, options.pool)
    pictures = RunPictures.of(reader)
    failed: list[Failed] = []
    if pictures.open and (left := pictures.to_look_at(looks, order)):
        with opener(run_session(reader.settings, device)) as session:
            check_weights(session, reader)
            _check_vectors(session, order)
            eyes = Eyes(session, reader.settings, comparable=session.card.pointable)
            with talk.progress(len(left), "picture") as view:
                for seen in left:
                    if stops.asked:
                        talk.say("stopped; the same command goes on where this one ended")
                        return stops.exit
                    _look(_where_it_is_now(seen, options.pictures), eyes, looks, failed)
                    view.advance(seen.name)
    choices = next_in_queue(reader, looks, order)
    for each in failed:
        talk.warn(f"{each.picture}: {each.reason}")
    if failed and not choices:
        raise RunError(
            f"none of {len(failed)} pictures could be looked at; if they were moved, name their "
            "folder with --pictures"
        )
    if not choices:
        talk.say(f"nothing is left to choose from: {len(reader)} pictures have a person's answer")
    _tell(choices, len(pictures.open), failed, options)
    return Exit.SOME_FAILED if failed else Exit.FINE


def run_session(settings: RunSettings, device: DeviceOptions) -> SessionOptions:
    """The flags that open the model of a run."""
    return SessionOptions(
        model=settings.model,
        engine_options=tuple(filter(None, settings.engine_options.split(","))),
        device=device.device,
        precision=device.precision,
        cache=device.cache,
        offline=device.offline,
    )


def check_weights(session: AnySession, reader: RunReader) -> None:
    """Refuse another model than that of a run before any work is done."""
    settings = reader.settings
    if session.weights_digest != settings.weights:
        raise RunError(
            f"{reader.path} was made with weights {settings.weights[:12]} of {settings.model}, "
            f"here they are {session.weights_digest[:12]}; give 'ovseg annotate' with --replace to "
            "make its suggestions again (corrections are kept), or restore the weights"
        )


def _check_vectors(session: AnySession, order: Order) -> None:
    card = session.card
    if order.by in ("both", "diversity") and not card.pointable:
        raise ModelError(
            f"{card.name} has no vectors by which pictures can be told apart; choose "
            "--by uncertainty or --by random"
        )


def _where_it_is_now(seen: Seen, pictures: Path | None) -> Seen:
    return seen if pictures is None else replace(seen, source=pictures / seen.name)


def _look(seen: Seen, eyes: Eyes, looks: Looks, failed: list[Failed]) -> None:
    try:
        looks.add(eyes.look_at(seen))
    except RunError:
        raise  # the folder cannot be written: the next picture would fare no better
    except OvsegError as error:
        failed.append(Failed(seen.name, str(error)))


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
        typer.echo(json_text(plain))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("", justify="right")
    table.add_column("picture", overflow="fold")
    table.add_column("in doubt", justify="right")
    table.add_column("why", overflow="fold")
    for place, each in enumerate(choices, start=1):
        doubt = "-" if each.uncertainty is None else f"{each.uncertainty:.2f}"
        table.add_row(str(place), escape(each.picture), doubt, escape(each.reason))
    Console().print(table)
