"""Exports of a run folder in the formats of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovseg_annotate.cli.talk import ProgressView, Talk
from ovseg_annotate.errors import OptionError, listed_by_nearness
from ovseg_annotate.formats.catalogue import FORMATS, Format
from ovseg_annotate.options import read_options
from ovseg_annotate.regions import AnnotatedImage
from ovseg_annotate.run_folder import ExportReport, RunFolder, RunReader


@dataclass(frozen=True, slots=True)
class ChosenFormat:
    """A format and its own options."""

    format: Format[Any]
    options: object  # of the kind that the format names

    @property
    def name(self) -> str:
        return self.format.name

    def write(self, images: Iterable[AnnotatedImage], folder: Path) -> None:
        self.format.write(images, folder, self.options)


def chosen_formats(names: Iterable[str], settings: Iterable[str] = ()) -> tuple[ChosenFormat, ...]:
    """Read the flags: each format known and once, "all" for every one, settings as f.name=value."""
    chosen: dict[str, dict[str, object]] = {}
    for name in names:
        for known in FORMATS if name == "all" else (_known(name),):
            chosen[known] = {}
    for setting in settings:
        key, sign, value = setting.partition("=")
        name, dot, option = key.strip().partition(".")
        if not (sign and dot and option):
            raise OptionError(
                f"--format-options: got {setting!r}; write FORMAT.OPTION=VALUE pairs separated by "
                "commas, such as label-studio.shapes=brush"
            )
        if _known(name) not in chosen:
            raise OptionError(f"--format-options: {name!r} is not among the formats to write")
        chosen[name][option] = value.strip()
    return tuple(
        ChosenFormat(FORMATS[name], read_options(FORMATS[name].options, options))
        for name, options in chosen.items()
    )


def format_to_read(name: str) -> Format[Any]:
    """The format of a flag."""
    return FORMATS[_known(name)]


def export_records(
    folder: RunFolder, reader: RunReader, chosen: ChosenFormat, talk: Talk
) -> ExportReport:
    """Write every record of the folder in one format."""

    def write(target: Path) -> None:
        with talk.progress(len(reader), "record") as view:
            chosen.write(_images(reader, view), target)

    return folder.export(chosen.name, write)


def say_exported(report: ExportReport, talk: Talk) -> None:
    """Tell how many files there are, and which of a person's stayed."""
    talk.say(f"{report.format}: {report.files} files in {report.folder}")
    for path in report.kept:
        talk.warn(
            f"{path} was changed by hand and stays as it is; move it away and give the same "
            "command to have it written again"
        )


def _known(name: str) -> str:
    if name not in FORMATS:
        raise OptionError(f"unknown format {name!r}; there is: {listed_by_nearness(name, FORMATS)}")
    return name


def _images(reader: RunReader, view: ProgressView) -> Iterator[AnnotatedImage]:
    for record in reader.records():
        yield record.image
        view.advance(record.image.name)
