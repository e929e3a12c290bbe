"""Exit codes, and how an error becomes one.

0    all is well
1    some pictures failed; the rest is done
2    wrong usage: an unknown flag, option, word or name
3    nothing could be done
130  stopped by Ctrl-C; the same command goes on
143  stopped by SIGTERM; the same command goes on
"""

from __future__ import annotations

from enum import IntEnum

from ovseg_annotate.errors import (
    ModelError,
    OptionError,
    OvsegError,
    VocabularyError,
    WeightsError,
)


class Exit(IntEnum):
    FINE = 0
    SOME_FAILED = 1
    WRONG_USAGE = 2
    NOTHING_DONE = 3
    INTERRUPTED = 130  # 128 + SIGINT, as shells count
    TERMINATED = 143  # 128 + SIGTERM


def exit_for(error: OvsegError) -> Exit:
    """Wrong words on the command line, or a world in which nothing could be done."""
    if isinstance(error, WeightsError):
        return Exit.NOTHING_DONE
    if isinstance(error, (OptionError, VocabularyError, ModelError)):
        return Exit.WRONG_USAGE
    return Exit.NOTHING_DONE
