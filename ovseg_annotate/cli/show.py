"""`ovseg show`: a page with every suggestion drawn over its picture."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ovseg_annotate.cli.talk import ProgressView, Talk
from ovseg_annotate.errors import ImageError, OptionError
from ovseg_annotate.image import read_image
from ovseg_annotate.overlay import Page, Sheet, page_html
from ovseg_annotate.run_folder import Record, RunReader, write_in_pieces
from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """How the page is made."""

    out: Path | None = None  # the page; overview.html in the run folder if not given
    pictures: Path | None = None  # where the pictures are now, if they were moved
    limit: int = 48  # pictures on the page, spread evenly over the run
    side: int = 1024  # px of the longer side of a picture on the page
    open: bool = False  # open the page in the browser

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise OptionError(f"--limit {self.limit}: a page shows at least 1 picture")
        if not 64 <= self.side <= 8192:
            raise OptionError(f"--side {self.side} is out of range; allowed: 64 to 8192")


def show(
    folder: Annotated[Path, typer.Argument(help="The --out folder of ovseg annotate.")],
    options: ShowOptions,
) -> None:
    """Draw the suggestions over their pictures: one HTML page that needs nothing beside it."""
    talk = Talk()
    reader = RunReader(folder)
    target = options.out or folder / "overview.html"
    shown = min(options.limit, len(reader))
    with talk.progress(shown, "picture") as view:
        pieces = page_html(_page(reader, shown), _sheets(reader, options, view), options.side)
        write_in_pieces(target, (piece.encode() for piece in pieces))
    talk.say(f"open it in a browser: {target.absolute().as_uri()}")
    if options.open:
        webbrowser.open(target.absolute().as_uri())
    typer.echo(target)


def _page(reader: RunReader, shown: int) -> Page:
    settings = reader.settings
    count = len(reader)
    left_out = f"{shown} of {count} pictures, evenly spread; --limit shows more"
    return Page(
        title=reader.path.absolute().name,
        lines=(f"{settings.model} · {count} pictures", settings.vocabulary),
        vocabulary=Vocabulary.parse(settings.vocabulary),
        note=left_out if shown < count else "",
    )


def _sheets(reader: RunReader, options: ShowOptions, view: ProgressView) -> Iterator[Sheet]:
    for record in reader.records(spread=options.limit):
        yield _sheet(record, reader, options)
        view.advance(record.image.name)


def _sheet(record: Record, reader: RunReader, options: ShowOptions) -> Sheet:
    source = record.source
    if options.pictures is not None:
        source = options.pictures / record.image.name
    if source is None:
        return Sheet(record.image, None, "no picture known for it; name its folder with --pictures")
    try:
        image = read_image(source, reader.settings.reading)
    except ImageError as error:
        return Sheet(record.image, None, f"{error} (moved? name its folder with --pictures)")
    if image.size != record.image.size:
        note = f"{source} is {image.size} now and was {record.image.size} when it was annotated"
        return Sheet(record.image, None, note)
    return Sheet(record.image, image.pixels, "corrected by a person" if record.corrected else "")
