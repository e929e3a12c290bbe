"""Messages for disks that refuse: full, not allowed, not there."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from ovseg_annotate.errors import RunError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses into a message that says what to do."""
    try:
        yield
    except OSError as error:
        raise RunError(_message(path, error)) from error


def _message(path: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return (
            f"cannot write {path}: {reason}. What is finished is kept; free some space and give "
            "the same command to go on"
        )
    if error.errno in _FORBIDDEN:
        return f"may not write {path}: {reason}. Choose another --out, or change its permissions"
    return f"cannot write {path}: {reason}. Choose another --out, or put the folder right"
