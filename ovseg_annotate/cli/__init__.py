"""The command line. Data goes to stdout, talk to stderr; exit codes are in `exits`."""

from __future__ import annotations

import io
import sys


def main() -> None:
    """The console script `ovseg`."""
    from ovseg_annotate.cli.app import app  # noqa: PLC0415  importing does nothing
    from ovseg_annotate.cli.exits import exit_for  # noqa: PLC0415
    from ovseg_annotate.cli.talk import Talk  # noqa: PLC0415
    from ovseg_annotate.errors import OvsegError  # noqa: PLC0415

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # paths that are not UTF-8, as they are
    try:
        app()
    except OvsegError as error:
        Talk().error(str(error))
        sys.exit(exit_for(error))
