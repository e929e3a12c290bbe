"""The pictures of a run folder in the order in which answering them helps most."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ovseg_annotate.learning_loop.choice import By, Choice, at_random, chosen, shuffled
from ovseg_annotate.learning_loop.looks import Look, Looks, Seen
from ovseg_annotate.run_folder import Fingerprint, RunReader, picture_folders
from ovseg_annotate.run_folder.folder import RECORDS, SUGGESTIONS
from ovseg_annotate.run_folder.records import is_untouched, record_path, stamp_of


@dataclass(frozen=True, slots=True)
class Order:
    """What a queue is to be like."""

    count: int  # pictures in it at most
    by: By
    seed: int  # of the random order, and of what is looked at
    pool: int  # pictures that are looked at; of more, so many are drawn


@dataclass(frozen=True, slots=True)
class RunPictures:
    """The pictures of a run folder by who spoke last."""

    open: tuple[Seen, ...]  # suggested; nobody has answered
    answered: tuple[Seen, ...]  # corrected or accepted, where the folder knows their file

    @classmethod
    def of(cls, reader: RunReader) -> RunPictures:
        """Read the first line of every record."""
        open_ones, answered = list[Seen](), list[Seen]()
        records = reader.path / RECORDS
        for path in sorted(records.rglob("*.json")):
            name = path.relative_to(records).as_posix().removesuffix(".json")
            seen = _seen(path, name, reader)
            if seen is not None:
                open_ones.append(seen)
                continue
            kept = record_path(reader.path / SUGGESTIONS, name)
            seen = _seen(kept, name, reader) if kept.is_file() else _drawn(name, reader)
            if seen is not None:
                answered.append(seen)
        return cls(tuple(open_ones), tuple(answered))

    def to_look_at(self, looks: Looks, order: Order) -> tuple[Seen, ...]:
        """The pictures that an order needs and that nobody has looked at yet."""
        if order.by == "random":
            return ()
        groups = [self.open] if order.by == "uncertainty" else [self.open, self.answered]
        return tuple(
            seen for group in groups for seen in _some(group, order) if looks.get(seen.key) is None
        )


def next_in_queue(reader: RunReader, looks: Looks, order: Order) -> tuple[Choice, ...]:
    """Choose among the open pictures of a run, as it stands now; what was not looked at is out."""
    pictures = RunPictures.of(reader)
    touched: set[str] = set()
    while True:
        left = [each for each in pictures.open if each.name not in touched]
        choices = _choose(left, pictures.answered, looks, order)
        # A suggestion that was changed by hand is a correction, and only its whole text tells.
        found = {each.picture for each in choices if not _is_open(reader.path, each.picture)}
        if not found:
            return choices
        touched |= found


def _choose(
    left: Collection[Seen], answered: Collection[Seen], looks: Looks, order: Order
) -> tuple[Choice, ...]:
    if order.by == "random":
        return at_random((each.name for each in left), order.count, order.seed)
    return chosen(_known(left, looks), tuple(_known(answered, looks)), order.count, order.by)


def _known(pictures: Collection[Seen], looks: Looks) -> Iterator[Look]:
    for each in pictures:
        look = looks.get(each.key)
        if look is not None:
            # Two pictures with the same content share a look, and have names of their own.
            yield look if look.picture == each.name else look.renamed(each.name)


def _some(group: tuple[Seen, ...], order: Order) -> Iterator[Seen]:
    by_name = {each.name: each for each in group}
    return (by_name[name] for name in shuffled(by_name, order.seed)[: order.pool])


def _seen(record: Path, name: str, reader: RunReader) -> Seen | None:
    """None where the record is a person's."""
    stamp = stamp_of(record)
    if stamp is None:
        return None
    source = Path(stamp.picture.source)
    return Seen(name, reader.settings.digest, stamp.picture.sha256, source)


def _drawn(name: str, reader: RunReader) -> Seen | None:
    """A picture that a person annotated from nothing, where it is still in its folder."""
    for folder in picture_folders(reader.path):
        try:
            found = Fingerprint.of(folder / name)
        except OSError:
            continue
        return Seen(name, reader.settings.digest, found.sha256, folder / name)
    return None


def _is_open(run: Path, name: str) -> bool:
    path = record_path(run / RECORDS, name)
    return path.is_file() and is_untouched(path)
