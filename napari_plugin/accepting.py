"""From the draft to what the person accepted: which pixels go over."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

import numpy as np

from napari_plugin.drafts import Mask
from napari_plugin.layer_data import Labels
from ovseg_annotate.label_map import UNLABELLED


class Preserve(StrEnum):
    """What is already accepted and stays."""

    PIXELS = "pixels"  # accepted pixels stay, the rest of an object comes beside them
    OBJECTS = "objects"  # an object that would touch an accepted pixel stays away as a whole
    NOTHING = "nothing"  # the draft wins


def newly_accepted(
    draft: Labels, accepted: Labels, wanted: Collection[int], preserve: Preserve
) -> Mask:
    """The pixels of the wanted labels that change in `accepted`, (height, width)."""
    allowed = np.zeros(np.iinfo(draft.dtype).max + 1, np.bool_)
    allowed[list(wanted)] = True
    allowed[UNLABELLED] = False
    chosen: Mask = allowed[draft]
    taken: Mask = accepted != UNLABELLED
    if preserve is Preserve.OBJECTS:
        chosen &= ~_components_touching(draft, chosen & taken)
    elif preserve is Preserve.PIXELS:
        chosen &= ~taken
    chosen &= accepted != draft
    return chosen


def combined(draft: Labels, accepted: Labels) -> Labels:
    """What counts: accepted where there is something accepted, the draft elsewhere."""
    return np.where(accepted != UNLABELLED, accepted, draft)


def _components_touching(labels: Labels, spots: Mask) -> Mask:
    """The whole connected pieces of `labels` that have a pixel in `spots`."""
    from ovseg_annotate.runs import components_of, runs_of  # noqa: PLC0415  slow to import

    components = components_of(runs_of(labels))
    lengths = np.diff(components.runs.bounds)
    touched = components.totals(spots) > 0
    inside: Mask = np.repeat(touched[components.runs.values], lengths).reshape(labels.shape)
    return inside
