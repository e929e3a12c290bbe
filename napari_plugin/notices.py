"""Errors that a person can put right, shown as napari shows things."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ovseg_annotate.errors import OvsegError


@contextmanager
def errors_shown() -> Iterator[None]:
    """Turn an `OvsegError` into a notification; anything else fails loudly."""
    try:
        yield
    except OvsegError as error:
        show_error(error)


def show_error(error: OvsegError) -> None:
    from napari.utils.notifications import show_error as show  # noqa: PLC0415

    show(str(error))
