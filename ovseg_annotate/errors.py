"""Everything that can go wrong, as one tree.

OvsegError
├── OptionError          an option, flag or table entry that is unknown or out of range
├── VocabularyError      words that cannot be read, or contradict one another
├── ImageError           a picture that cannot be read, or is not what was asked for
├── MarkError            marks that cannot be used on this picture, or contradict one another
├── ModelError           an engine or tower that does not exist or cannot do this
│   ├── WeightsError     weights that are missing, damaged or of another network
│   └── VersionError     a learnt version that is missing, damaged or of another model
├── FormatError          an annotation file that cannot be read or written
├── CacheError           a feature store that cannot be opened
├── RunError             a run folder that cannot be used
├── ServerError          a server that cannot be reached, or does not answer as it should
├── MemoryLimitError     the device cannot hold even the smallest piece of work
└── Cancelled            the caller asked to stop

A message says what was wrong, what was given, what is allowed and what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Names may come from anybody: comparing two of a megabyte takes minutes, 65 000 short ones seconds.
_COMPARED = 60  # characters of a name
_WEIGHED = 500  # names

_LONGEST = 2000  # characters of a message: what it quotes may come from anybody


class OvsegError(Exception):
    """A mistake that a person can put right; front ends show its message as it is."""

    def __str__(self) -> str:
        """The message; its middle is left out where a file made it too long to be read."""
        text = super().__str__()
        if len(text) <= _LONGEST:
            return text
        return f"{text[: _LONGEST * 3 // 4]} ... {text[-_LONGEST // 5 :]}"


class OptionError(OvsegError):
    """An option is unknown or its value is out of range."""


class VocabularyError(OvsegError):
    """The words cannot be read, or contradict one another."""


class ImageError(OvsegError):
    """A picture cannot be read, or is not what was asked for."""


class MarkError(OvsegError):
    """Marks cannot be used on this picture, or contradict one another."""


class ModelError(OvsegError):
    """An engine or tower does not exist, or cannot do what was asked."""


class WeightsError(ModelError):
    """Weights are missing, damaged, or belong to another network."""


class VersionError(ModelError):
    """A learnt version is missing, damaged, or belongs to another model."""


class FormatError(OvsegError):
    """An annotation file cannot be read or written."""


class CacheError(OvsegError):
    """The feature store cannot be opened."""


class RunError(OvsegError):
    """A run folder cannot be used."""


class ServerError(OvsegError):
    """A server cannot be reached, or does not answer as it should."""


class MemoryLimitError(OvsegError):
    """The device cannot hold even the smallest piece of work."""


class Cancelled(OvsegError):  # noqa: N818  it is an outcome, not a fault
    """The caller asked to stop."""


def listed_by_nearness(given: str, allowed: Iterable[str], limit: int = 20) -> str:
    """List what there is, the most similar names first, for the end of a message."""
    names = sorted(set(allowed))
    wanted = given[:_COMPARED].casefold()
    if len(names) > _WEIGHED:  # the exact comparison is slow: first those that share letters
        letters = frozenset(wanted)
        nearest = sorted(names, key=lambda name: -_shared(letters, name[:_COMPARED].casefold()))
        near, rest = nearest[:_WEIGHED], nearest[_WEIGHED:]
    else:
        near, rest = names, []
    near.sort(key=lambda name: -_likeness(wanted, name[:_COMPARED].casefold()))
    shown = ", ".join(each[:_COMPARED] for each in (near + rest)[:limit]) or "none"
    return shown if len(names) <= limit else f"{shown}, ... ({len(names)} in all)"


def _likeness(wanted: str, name: str) -> float:
    return difflib.SequenceMatcher(None, wanted, name).ratio()


def _shared(letters: frozenset[str], name: str) -> float:
    """Of the letters of both, the share that both have."""
    return len(letters.intersection(name)) / (len(letters.union(name)) or 1)
