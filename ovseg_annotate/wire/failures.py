"""Errors on their way from a server to whoever asked: the same class on both sides."""

from __future__ import annotations

from collections.abc import Iterator

from ovseg_annotate.errors import OvsegError


def kind_of(error: OvsegError) -> str:
    """The name of the nearest class of `ovseg_annotate.errors`."""
    known = _known()
    return next(each.__name__ for each in type(error).__mro__ if each in known.values())


def error_of(kind: str, message: str) -> OvsegError:
    """The error as it was raised; one of a newer server is an OvsegError."""
    return _known().get(kind, OvsegError)(message)


def _known() -> dict[str, type[OvsegError]]:
    return {each.__name__: each for each in _tree(OvsegError)}


def _tree(root: type[OvsegError]) -> Iterator[type[OvsegError]]:
    if root.__module__ == OvsegError.__module__:
        yield root
        for branch in root.__subclasses__():
            yield from _tree(branch)
