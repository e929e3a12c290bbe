"""`ovseg models`: what is bundled, cached and worth fetching."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

import typer
from rich.console import Console
from rich.table import Table

from ovseg_annotate.catalog import ModelEntry, open_engine
from ovseg_annotate.catalog import models as known_models
from ovseg_annotate.cli.downloads import DownloadTalk
from ovseg_annotate.cli.talk import Talk


@dataclass(frozen=True, slots=True)
class ModelsOptions:
    """What to do with the list."""

    json: bool = False  # one JSON list on stdout
    fetch: str | None = None  # download ENGINE@WEIGHTS now and check that it loads


def models(options: ModelsOptions) -> None:
    """List the models there are, with size, licence and state; or fetch one."""
    if options.fetch is not None:
        _fetch(options.fetch, Talk())
        return
    entries = known_models()
    if options.json:
        typer.echo(json.dumps([_plain(entry) for entry in entries], indent=1))
    else:
        Console().print(_table(entries))


def _fetch(name: str, talk: Talk) -> None:
    engine = open_engine(name, progress=DownloadTalk(talk))
    talk.say(f"{name} loads; weights {engine.card.weights_digest}")
    typer.echo(name)


def _plain(entry: ModelEntry) -> dict[str, object]:
    return {"name": entry.name, **dataclasses.asdict(entry)}


def _table(entries: tuple[ModelEntry, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("model", "state", "MB", "licence", "what it is"):
        table.add_column(title, justify="right" if title == "MB" else "left", overflow="fold")
    for entry in entries:
        size = str(entry.megabytes)
        table.add_row(entry.name, entry.state.value, size, entry.licence, entry.description)
    return table
