"""Pictures with a text each: tables of files (CSV, TSV) and webdataset archives (tar).

    pairs.csv, pairs.tsv     a header, one column of picture files and one of texts; the files are
                             named relative to the table's folder
    00000.tar                per pair one picture and one .txt, or a .json with a caption, of the
                             same name up to the first dot and side by side
    a folder of archives     one after the other, by name

Everything streams. Pictures that are only named by a web address are not fetched.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from ovseg_annotate.datasets.pair_archives import Sample, samples_in
from ovseg_annotate.errors import FormatError, OvsegError
from ovseg_annotate.formats.fields import parse_json
from ovseg_annotate.formats.file_names import safe_relative
from ovseg_annotate.image import Image, image_of_bytes, read_image

_PICTURE_COLUMNS = ("filepath", "image", "image_path", "path", "file", "filename")
_TEXT_COLUMNS = ("title", "caption", "text")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True, eq=False)
class ImageTextPair:
    """A picture and what is said of it."""

    name: str  # where it comes from
    image: Image
    text: str


def read_pairs(
    path: Path, skipped: Callable[[OvsegError], None] | None = None
) -> Iterator[ImageTextPair]:
    """Read pair after pair; one that cannot be read ends it unless `skipped` is told of it.

    A table or an archive that is damaged as a whole is an error in any case.
    """
    for name, load in pair_sources(path):
        try:
            image, text = load()
        except OvsegError as error:
            if skipped is None:
                raise
            skipped(error)
        else:
            yield ImageTextPair(name, image, text)


PairLoader: TypeAlias = Callable[[], tuple[Image, str]]


def pair_sources(path: Path) -> Iterator[tuple[str, PairLoader]]:
    """Where each pair comes from and how to read it: its picture is not decoded before that."""
    if path.is_dir():
        archives = sorted(path.glob("*.tar"))
        if not archives:
            raise FormatError(
                f"{path} holds no .tar; name a .csv, a .tsv, a .tar or a folder of them"
            )
        for archive in archives:
            yield from _in_archive(archive)
    elif path.suffix.casefold() == ".tar":
        yield from _in_archive(path)
    elif path.suffix.casefold() in _DELIMITERS:
        yield from _in_table(path, _DELIMITERS[path.suffix.casefold()])
    else:
        raise FormatError(f"{path} holds no pairs; name a .csv, a .tsv, a .tar or a folder of .tar")


def _in_archive(path: Path) -> Iterator[tuple[str, PairLoader]]:
    for sample in samples_in(path):
        yield sample.name, partial(_from_sample, sample)


def _from_sample(sample: Sample) -> tuple[Image, str]:
    if sample.picture is None or (sample.text is None and sample.record is None):
        raise FormatError(
            f"{sample.name} has {', '.join(sample.suffixes)}; a pair needs a picture and a .txt "
            "or .json beside it"
        )
    return image_of_bytes(sample.picture, sample.name), _text_of(sample)


def _text_of(sample: Sample) -> str:
    if sample.text is not None:
        try:
            return _checked(sample.text.decode("utf-8"), sample.name)
        except UnicodeDecodeError as error:
            raise FormatError(f"{sample.name}: the text is not UTF-8: {error}") from error
    record = parse_json(sample.record or b"", sample.name)
    for name in _TEXT_COLUMNS:
        found = record.find(name)
        if found is not None:
            return _checked(found.text(), sample.name)
    raise FormatError(f"{sample.name}: the .json has none of {', '.join(_TEXT_COLUMNS)}")


def _in_table(path: Path, delimiter: str) -> Iterator[tuple[str, PairLoader]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter=delimiter, strict=True)
            columns = rows.fieldnames or []
            picture = _column(columns, _PICTURE_COLUMNS, path)
            text = _column(columns, _TEXT_COLUMNS, path)
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                yield where, partial(_from_row, path, where, row.get(picture), row.get(text))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FormatError(f"cannot read {path}: {error}") from error


def _from_row(table: Path, where: str, picture: str | None, text: str | None) -> tuple[Image, str]:
    if not picture or text is None:
        raise FormatError(f"{where}: expected a picture and a text, got {picture!r} and {text!r}")
    if picture.startswith(_WEB):
        raise FormatError(
            f"{where}: {picture} is a web address, and nothing is downloaded here; fetch the "
            "pictures first, for example with img2dataset, and name their files"
        )
    return read_image(table.parent / _inside(picture, where)), _checked(text, where)


def _inside(picture: str, where: str) -> PurePosixPath:
    """The name of a file of the data set: a table must not lead to any other."""
    try:
        return safe_relative(picture.replace("\\", "/"))
    except FormatError as error:
        raise FormatError(
            f"{where}: {error}; put the table into a folder above all its pictures"
        ) from error


def _checked(text: str, where: str) -> str:
    tidied = " ".join(text.split())
    if not tidied:
        raise FormatError(f"{where}: the text is empty")
    return tidied


def _column(columns: Sequence[str], wanted: tuple[str, ...], path: Path) -> str:
    for name in wanted:
        for column in columns:
            if column.strip().casefold() == name:
                return column
    raise FormatError(
        f"{path} has no column named {' or '.join(wanted)}; its first line has: "
        f"{', '.join(columns) or 'nothing'}"
    )
