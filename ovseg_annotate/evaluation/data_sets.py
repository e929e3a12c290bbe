"""What `--data` may name."""

from __future__ import annotations

from pathlib import Path

from ovseg_annotate.errors import OptionError, listed_by_nearness
from ovseg_annotate.evaluation.folder_sets import folder_trials
from ovseg_annotate.evaluation.held_out import (
    Asking,
    SceneSet,
    all_scene_trials,
    both_kinds_of_pairs,
)
from ovseg_annotate.evaluation.trials import TrialSet
from ovseg_annotate.vocabulary import Vocabulary

_NAMED = {
    **{f"scenes:{each.value}": each for each in SceneSet if each is not SceneSet.SECOND_EASY},
    "second:easy": SceneSet.SECOND_EASY,
}
_EVERYTHING = "scenes:heldout"


def trial_sets(
    data: tuple[str, ...], asking: Asking, words: Vocabulary | None = None
) -> tuple[TrialSet, ...]:
    """The sets behind "scenes:easy", "scenes:heldout", "second:easy" or "folder:PATH"."""
    sets = [each for name in data for each in _sets_named(name, asking, words)]
    if not sets:
        raise OptionError(f"data: nothing named; write {_EVERYTHING} or folder:PATH")
    names = [each.name for each in sets]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise OptionError(f"data: {doubled!r} would be counted twice; name each set once")
    return tuple(sets)


def _sets_named(name: str, asking: Asking, words: Vocabulary | None) -> tuple[TrialSet, ...]:
    kind, _, rest = name.partition(":")
    if kind == "folder" and rest:
        return folder_trials(Path(rest).expanduser(), asking, words)
    if name == _EVERYTHING:
        return all_scene_trials(asking)
    if name in _NAMED:
        return both_kinds_of_pairs(_NAMED[name], asking)
    raise OptionError(
        f"data {name!r} is not known; there is: folder:PATH, "
        f"{listed_by_nearness(name, [_EVERYTHING, *_NAMED])}"
    )
