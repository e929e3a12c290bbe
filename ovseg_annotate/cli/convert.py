"""`ovseg convert`: annotations from one format into another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ovseg_annotate.cli.exporting import (
    ChosenFormat,
    chosen_formats,
    export_records,
    format_to_read,
    say_exported,
)
from ovseg_annotate.cli.talk import ProgressView, Talk
from ovseg_annotate.errors import OptionError, RunError
from ovseg_annotate.formats.catalogue import FORMATS
from ovseg_annotate.lake import LakeReader, is_address, is_lake
from ovseg_annotate.regions import AnnotatedImage
from ovseg_annotate.run_folder import RunFolder, RunReader, is_run_folder


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """From where, to where."""

    to: tuple[str, ...]  # all, or label-studio, coco, yolo, voc, masks, labelme, geojson, cvat
    source_format: str | None = None  # format of SOURCE; not needed for a run folder or a lake
    format_options: tuple[str, ...] = ()  # of the formats written: label-studio.shapes=brush
    out: Path | None = None  # a new folder; a run folder keeps its exports inside if not given


def convert(
    source: Annotated[
        str, typer.Argument(help="A run folder, a lake, or a file or folder of a format.")
    ],
    options: ConvertOptions,
) -> None:
    """Write annotations in other formats, corrections among them."""
    chosen = chosen_formats(options.to, options.format_options)
    if options.source_format is None and is_lake(source):
        _convert_lake(LakeReader(source), options, chosen, Talk())
        return
    if is_address(source):
        raise OptionError(
            f"{source} is not a lake (it has no lake.json); what is not on this machine has "
            "to be the --out of 'ovseg annotate --fleet': copy anything else here first"
        )
    _convert_path(Path(source), options, chosen)


def _convert_path(source: Path, options: ConvertOptions, chosen: tuple[ChosenFormat, ...]) -> None:
    if options.source_format is None and options.out is None:
        _check_is_run(source)
        _convert_inside(source, chosen, Talk())
        return
    for each in chosen:
        target = _fresh_folder(options, each, alone=len(chosen) == 1)
        each.write(_images(source, options.source_format), target)
        typer.echo(target)


def _convert_lake(
    lake: LakeReader, options: ConvertOptions, chosen: tuple[ChosenFormat, ...], talk: Talk
) -> None:
    """Picture by picture: a lake may be larger than any memory."""
    for each in chosen:
        target = _fresh_folder(options, each, alone=len(chosen) == 1)
        with talk.progress(len(lake), "picture") as view:
            each.write(_followed(lake.images(), view), target)
        typer.echo(target)
    if lake.failed:
        talk.warn(
            f"{lake.failed} pictures of the lake have no answer and are left out; the command "
            "that wrote it tries them again with --retry-failed"
        )


def _followed(images: Iterator[AnnotatedImage], view: ProgressView) -> Iterator[AnnotatedImage]:
    for image in images:
        yield image
        view.advance(image.name)


def _convert_inside(source: Path, chosen: tuple[ChosenFormat, ...], talk: Talk) -> None:
    with RunFolder(source) as folder:
        for each in chosen:
            report = export_records(folder, RunReader(source), each, talk)
            say_exported(report, talk)
            typer.echo(report.folder)


def _images(source: Path, source_format: str | None) -> Iterator[AnnotatedImage]:
    if source_format is None:
        _check_is_run(source)
        return (record.image for record in RunReader(source).records())
    return format_to_read(source_format).read(source)


def _check_is_run(source: Path) -> None:
    if not is_run_folder(source):
        raise OptionError(
            f"{source} is neither a run folder nor a lake; say what it holds with --source-format, "
            "one of "
            f"{', '.join(sorted(FORMATS))}"
        )


def _fresh_folder(options: ConvertOptions, chosen: ChosenFormat, *, alone: bool) -> Path:
    if options.out is None:
        raise OptionError("say where to write: --out NEW_FOLDER")
    target = options.out if alone else options.out / chosen.name
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunError(f"{target} is not an empty folder; choose another --out")
    return target
