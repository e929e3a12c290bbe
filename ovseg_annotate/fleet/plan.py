"""What is left to do, in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ovseg_annotate.fleet.pictures import FleetPicture
from ovseg_annotate.lake import Lake
from ovseg_annotate.lake.lake import KnownPart, order_of
from ovseg_annotate.lake.schema import State

# A part travels from machine to machine, and waits in memory, as one piece.
PART_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class PartPlan:
    """Pictures that are annotated and written together."""

    pictures: tuple[FleetPicture, ...]
    kept: tuple[str, ...] = ()  # of a part that is there: pictures whose rows stay


@dataclass(frozen=True, slots=True)
class FleetPlan:
    """What is left to do, and what is done."""

    parts: tuple[PartPlan, ...]
    finished: int  # pictures
    failed: int  # pictures that failed before and are not tried again

    @property
    def pictures(self) -> int:
        return sum(len(part.pictures) for part in self.parts)


def planned(lake: Lake, pictures: Iterable[FleetPicture], *, retry_failed: bool) -> FleetPlan:
    """Sort pictures by what is to be done about them.

    The same pictures give the same parts, whatever is finished already: what a killed command
    leaves and another one completes is, file for file, what one command would have written.
    """
    in_order = sorted(pictures, key=lambda picture: order_of(picture.name))
    wanted = {picture.name: picture for picture in in_order}
    again: list[PartPlan] = []
    there: set[str] = set()
    finished = failed = 0
    for known in lake.known():
        redone = _redone(known, wanted, retry_failed=retry_failed)
        there.update(each.name for each in known.pictures)
        for each in known.pictures:
            if each.name in wanted and each.name not in redone:
                finished += each.state is State.SUGGESTED
                failed += each.state is State.FAILED
        if redone:
            kept = tuple(each.name for each in known.pictures if each.name not in redone)
            again.append(PartPlan(tuple(redone.values()), kept))
    fresh = _fresh(in_order, there, lake.part_pictures)
    return FleetPlan((*again, *fresh), finished, failed)


def _redone(
    known: KnownPart, wanted: dict[str, FleetPicture], *, retry_failed: bool
) -> dict[str, FleetPicture]:
    """Pictures of a part whose file is another one now, or which failed and are to be retried."""
    redone = {}
    for each in known.pictures:
        now = wanted.get(each.name)
        if now is None:
            continue  # not asked for this time: what is known of it stays
        retried = retry_failed and each.state is State.FAILED
        if retried or not each.file.is_still(now.file):
            redone[each.name] = now
    return redone


def _fresh(in_order: Sequence[FleetPicture], there: set[str], most: int) -> Iterator[PartPlan]:
    """Parts of all pictures; those that are there in part are made anew of what is missing."""
    torn: list[FleetPicture] = []
    for group in _groups(in_order, most):
        missing = [picture for picture in group if picture.name not in there]
        if len(missing) == len(group):
            yield PartPlan(tuple(group))
        else:
            torn += missing
    for group in _groups(torn, most):
        yield PartPlan(tuple(group))


def _groups(pictures: Sequence[FleetPicture], most: int) -> Iterator[list[FleetPicture]]:
    """Cut where there are enough pictures or bytes."""
    group: list[FleetPicture] = []
    held = 0
    for picture in pictures:
        size = picture.file.bytes or 0
        if group and (len(group) == most or held + size > PART_BYTES):
            yield group
            group, held = [], 0
        group.append(picture)
        held += size
    if group:
        yield group
