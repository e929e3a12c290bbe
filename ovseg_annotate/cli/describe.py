"""`ovseg describe`: what names are read with, and whether it helps on corrected pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.cli.evaluate import EvaluateOptions, reading_of
from ovseg_annotate.cli.sessions import vocabulary_from
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.descriptions.options import Enrichment, EnrichOptions
from ovseg_annotate.descriptions.prompts import GROUPS, Described
from ovseg_annotate.errors import OptionError

if TYPE_CHECKING:
    from ovseg_annotate.enrichment_choice import Choice


@dataclass(frozen=True, slots=True)
class DescribeOptions:
    """Whose descriptions, and on which pictures they are tried."""

    prompts: str | None = None  # the names; with --data those of the pictures, if not given
    source: Enrichment = "lexicon"  # who describes, behind your own file
    file: Path | None = None  # your own descriptions, YAML or JSON
    data: tuple[str, ...] = ()  # corrected pictures to try them on: run:PATH, folder:PATH
    model: str = "naclip@mini"  # ENGINE@WEIGHTS that reads them
    count: int = 100  # pictures of each set at most
    out: Path | None = None  # write the best weight of each concept, for enrich.weights


def describe(describe: DescribeOptions, annotate: AnnotateOptions) -> None:
    """Show what names are described as; with --data, try what the descriptions are worth."""
    if not describe.data:
        if describe.prompts is None:
            raise OptionError("nothing to describe: name concepts with --prompts, or --data")
        if describe.out is not None:
            raise OptionError("--out needs --data: weights are chosen on corrected pictures")
        _show(describe, describe.prompts)
        return
    choice = _tried(describe, annotate)
    Console().print(_table_of(choice))
    if describe.out is not None:
        from ovseg_annotate.descriptions.weights import write_weights  # noqa: PLC0415

        write_weights(describe.out, choice.chosen)
        typer.echo(describe.out)


def _show(options: DescribeOptions, prompts: str) -> None:
    from ovseg_annotate.descriptions.chain import open_chain  # noqa: PLC0415

    names = vocabulary_from(prompts).phrases
    file = None if options.file is None else str(options.file)
    chain = open_chain(EnrichOptions(options.source, file=file), os.environ, None)
    described = chain.describe(names)
    talk = Talk()
    for warning in described.warnings:
        talk.say(f"warning: {warning}")
    Console().print(_descriptions(names, described))


def _descriptions(names: Sequence[str], described: Described) -> Table:
    table = Table(*("name", *(group.replace("_", " ") for group in GROUPS), "from"))
    for name, prompt in zip(names, described.prompts, strict=True):
        if prompt is None:
            table.add_row(name, *("" for _ in GROUPS), "nobody: the name alone")
        else:
            said = (", ".join(prompt.phrases(group)) for group in GROUPS)
            table.add_row(name, *said, prompt.source.value)
    return table


def _tried(options: DescribeOptions, annotate: AnnotateOptions) -> Choice:
    from ovseg_annotate.enrichment_choice import choose_weights, measured_by  # noqa: PLC0415
    from ovseg_annotate.evaluation.data_sets import trial_sets  # noqa: PLC0415
    from ovseg_annotate.evaluation.held_out import Asking  # noqa: PLC0415

    words = None if options.prompts is None else vocabulary_from(options.prompts)
    reading = reading_of(EvaluateOptions())
    sets = trial_sets(options.data, Asking(options.count), words, reading)
    if len(sets) != 1:
        raise OptionError(f"--data: expected one set of pictures to choose on, got {len(sets)}")
    engine: dict[str, object] = {"enrich.source": options.source}
    if options.file is not None:
        engine["enrich.file"] = str(options.file)
    return choose_weights(measured_by(options.model, sets[0], annotate, engine))


def _table_of(choice: Choice) -> Table:
    table = Table("concept", *(f"weight {weight:g}" for weight in choice.weights), "best")
    for each in choice.concepts:
        table.add_row(each.name, *(f"{iou:.3f}" for iou in each.ious), f"{each.best:g}")
    return table
