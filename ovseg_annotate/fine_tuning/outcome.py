"""What came of a fine-tuning, for the person. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from ovseg_annotate.learning_loop.refreshing import LeftOut
from ovseg_annotate.lessons.version import VersionCard


@dataclass(frozen=True, slots=True)
class FineTuned:
    """How it ended; qualities are those on corrections that were held back, 0 to 1."""

    sentence: str
    name: str = ""  # of the version that was put into service; "": none was
    before: float | None = None  # of the model as it came
    present: float | None = None  # of the version in service; None: the model as it came is
    after: float | None = None
    left_out: tuple[LeftOut, ...] = ()


def told(card: VersionCard, present: float | None, name: str, size: int) -> str:
    """What was learnt, both numbers, what is in service now; `name` "": not this version."""
    rival, owner = card.before, "the model as it came"
    if present is not None and present >= rival:
        rival, owner = present, "the version in service"
    after, before = f"{100 * card.after:.1f}", f"{100 * rival:.1f}"
    if not name:
        return (
            f"not put into service: the fine-tuned head's {after} on what was held back "
            f"({card.held_back}) is not better than {before} of {owner}"
        )
    learnt = len(card.corrections)
    return (
        f"better: {after} instead of {before} of {owner} (held back: {card.held_back}), head "
        f"fine-tuned on corrections in {learnt} pictures as {name}, {megabytes(size)}"
    )


def megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
