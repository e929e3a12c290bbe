"""All verbs of `ovseg`. None of these modules imports torch before its verb runs."""

from __future__ import annotations

from typing import Annotated

import typer

from ovseg_annotate._version import __version__
from ovseg_annotate.cli.annotate import annotate
from ovseg_annotate.cli.cache import cache
from ovseg_annotate.cli.compare import compare
from ovseg_annotate.cli.convert import convert
from ovseg_annotate.cli.describe import describe
from ovseg_annotate.cli.doctor import doctor
from ovseg_annotate.cli.evaluate import evaluate
from ovseg_annotate.cli.learn import learn
from ovseg_annotate.cli.models import models
from ovseg_annotate.cli.option_flags import with_option_flags
from ovseg_annotate.cli.queue import queue
from ovseg_annotate.cli.scenes import scenes
from ovseg_annotate.cli.serve import serve
from ovseg_annotate.cli.show import show
from ovseg_annotate.cli.train import train
from ovseg_annotate.cli.versions import versions

_VERBS = (
    *(annotate, show, queue, learn, versions, convert, compare, models, serve),
    *(scenes, train, evaluate, describe),
    *(doctor, cache),
)

app = typer.Typer(
    name="ovseg",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # what is not an OvsegError is a defect: show all of it
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _verb in _VERBS:
    app.command()(with_option_flags(_verb))


@app.callback()
def ovseg(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)
    ] = False,
) -> None:
    """Type what you want labelled, get polygons for the whole data set.

    Exit codes: 0 all is well, 1 some pictures failed, 2 wrong usage, 3 nothing could be done,
    130 stopped by Ctrl-C, 143 stopped by SIGTERM.
    """
    if version:
        typer.echo(__version__)
        raise typer.Exit
