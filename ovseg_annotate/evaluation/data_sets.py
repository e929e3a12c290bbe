"""What `--data` may name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ovseg_annotate.datasets.catalogue import PUBLIC_DATA
from ovseg_annotate.datasets.corrected import Corrected, corrected_in_export, corrected_set
from ovseg_annotate.errors import OptionError, listed_by_nearness
from ovseg_annotate.evaluation.folder_sets import folder_trials
from ovseg_annotate.evaluation.held_out import (
    Asking,
    SceneSet,
    all_scene_trials,
    both_kinds_of_pairs,
)
from ovseg_annotate.evaluation.protocol_sets import protocol_trials
from ovseg_annotate.evaluation.trials import TrialSet
from ovseg_annotate.vocabulary import Vocabulary

# Reads the corrections of a run folder, of which nothing on this floor knows the layout.
RunReading: TypeAlias = Callable[[Path], Iterator[Corrected]]

_NAMED = {
    **{f"scenes:{each.value}": each for each in SceneSet if each is not SceneSet.SECOND_EASY},
    "second:easy": SceneSet.SECOND_EASY,
}
_EVERYTHING = "scenes:heldout"
_FOLDERS = ("folder", "export", "run", *PUBLIC_DATA)


@dataclass(frozen=True, slots=True)
class Reading:
    """How what is named is to be read."""

    protocols: tuple[str, ...] = ()  # each for the data set that has it
    written_in: str = "masks"  # format of an export
    pictures: Path | None = None  # those of an export; None: beside it
    run: RunReading | None = None


_PLAIN = Reading()


def trial_sets(
    data: tuple[str, ...],
    asking: Asking,
    words: Vocabulary | None = None,
    reading: Reading = _PLAIN,
) -> tuple[TrialSet, ...]:
    """The sets behind "scenes:easy", "scenes:heldout", "folder:PATH" or "ade20k:PATH"."""
    _check_protocols(data, reading.protocols)
    sets = [each for name in data for each in _sets_named(name, asking, words, reading)]
    if not sets:
        raise OptionError(f"data: nothing named; write {_EVERYTHING} or folder:PATH")
    names = [each.name for each in sets]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise OptionError(f"data: {doubled!r} would be counted twice; name each set once")
    return tuple(sets)


def _sets_named(
    name: str, asking: Asking, words: Vocabulary | None, reading: Reading
) -> tuple[TrialSet, ...]:
    kind, _, rest = name.partition(":")
    if name == _EVERYTHING:
        return all_scene_trials(asking)
    if name in _NAMED:
        return both_kinds_of_pairs(_NAMED[name], asking)
    if not rest or kind not in _FOLDERS:
        folders = (f"{each}:PATH" for each in _FOLDERS)
        raise OptionError(
            f"data {name!r} is not known; there is: {', '.join(folders)}, "
            f"{listed_by_nearness(name, [_EVERYTHING, *_NAMED])}"
        )
    path = Path(rest).expanduser()
    if kind == "folder":
        return folder_trials(path, asking, words)
    if kind in PUBLIC_DATA:
        data = PUBLIC_DATA[kind]
        chosen = [each for each in reading.protocols if each in data.protocols]
        opened = (data.open(path, each) for each in chosen or data.protocols[:1])
        return tuple(protocol_trials(each, asking, words) for each in opened)
    corrected = corrected_set(path.absolute().name, lambda: _corrected(kind, path, reading))
    return (protocol_trials(corrected, asking, words),)


def _corrected(kind: str, path: Path, reading: Reading) -> Iterator[Corrected]:
    if kind == "export":
        return corrected_in_export(path, reading.written_in, reading.pictures)
    if reading.run is None:
        raise OptionError(f"{path}: run folders cannot be read here; name an export of it")
    return reading.run(path)


def _check_protocols(data: tuple[str, ...], protocols: tuple[str, ...]) -> None:
    kinds = dict.fromkeys(name.partition(":")[0] for name in data)
    public = [PUBLIC_DATA[kind] for kind in kinds if kind in PUBLIC_DATA]
    there_is = "; ".join(f"{each.name} has: {', '.join(each.protocols)}" for each in public)
    for protocol in protocols:
        if not any(protocol in each.protocols for each in public):
            raise OptionError(
                f"protocol {protocol!r} belongs to none of {', '.join(data)}; "
                + (there_is or f"only these have protocols: {', '.join(PUBLIC_DATA)}")
            )
