"""`ovseg compare`: how well suggestions agree with annotations that are known to be right."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from ovseg_annotate.cli.exporting import format_to_read
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.errors import RunError
from ovseg_annotate.evaluation.confusion import Confusion
from ovseg_annotate.regions import AnnotatedImage, labels_of
from ovseg_annotate.run_folder import RunReader
from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """What the truth is written in."""

    truth_format: str = "masks"  # format of TRUTH
    json: bool = False  # one JSON object on stdout


def compare(
    labels: Annotated[Path, typer.Argument(help="The --out folder of ovseg annotate.")],
    truth: Annotated[Path, typer.Argument(help="Annotations that are right.")],
    options: CompareOptions,
) -> None:
    """Intersection over union for each concept; a concept of TRUTH not asked for is no concept."""
    written_in = format_to_read(options.truth_format)
    reader = RunReader(labels)
    words = Vocabulary.parse(reader.settings.vocabulary)
    total, pictures = Confusion.empty(len(words)), 0
    for right, suggested in _pairs(written_in.read(truth), reader, Talk()):
        total += Confusion.of(
            labels_in(right, words), labels_in(suggested, words), concepts=len(words)
        )
        pictures += 1
    if not pictures:
        raise RunError(f"no picture of {truth} has a record in {labels}; the names must agree")
    _tell(total, words, pictures, options)


def labels_in(image: AnnotatedImage, words: Vocabulary) -> NDArray[np.int64]:
    """Paint the regions with the labels of other words; concepts not among them are unlabelled."""
    label_of = {name: label for label, name in enumerate(words.names, start=1)}
    own = [0, *(label_of.get(name, 0) for name in image.vocabulary.names)]
    return np.array(own, np.int64)[labels_of(image)]


def _pairs(
    truth: Iterator[AnnotatedImage], reader: RunReader, talk: Talk
) -> Iterator[tuple[AnnotatedImage, AnnotatedImage]]:
    for right in truth:
        record = reader.record_of(right.name)
        if record is None:
            talk.warn(f"{right.name} has no record in {reader.path} and does not count")
        elif record.image.size != right.size:
            raise RunError(
                f"{right.name} is {right.size} in the truth and {record.image.size} in the record"
            )
        else:
            yield right, record.image


def _tell(total: Confusion, words: Vocabulary, pictures: int, options: CompareOptions) -> None:
    by_concept = {
        name: float(value)
        for name, value in zip(words.names, total.iou, strict=True)
        if not math.isnan(value)
    }
    mean, accuracy = total.mean_iou, total.pixel_accuracy
    if options.json:
        plain = {"pictures": pictures, "mean_iou": mean, "pixel_accuracy": accuracy}
        typer.echo(json.dumps({**plain, "iou": by_concept}))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("concept", overflow="fold")
    table.add_column("IoU", justify="right")
    for name, value in sorted(by_concept.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{value:.3f}")
    table.add_row(f"mean over {len(by_concept)}", f"{mean:.3f}", style="bold")
    table.add_row(f"pixels right in {pictures} pictures", f"{accuracy:.3f}")
    Console().print(table)
