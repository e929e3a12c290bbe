"""Weights of the refinement, kept while somebody tries words on the same picture.

They depend on the pixels alone and take about half of the time of a refinement.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from ovseg_annotate.geometry import Window
from ovseg_annotate.refine.options import PamrSchedule
from ovseg_annotate.refine.pamr import Weights

_LOOKS = 64  # pictures that are remembered to have been looked at
_MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Place:
    """What weights were computed for."""

    strip: Window  # of the picture; what lies outside has no part in the weights
    block: Window  # of the strip
    schedule: PamrSchedule


@dataclass(frozen=True, slots=True, eq=False)
class PictureWeights:
    """Where the weights of one picture are kept."""

    picture: str
    store: WeightStore

    def weights(self, place: Place, make: Callable[[], Weights]) -> Weights:
        """The weights of a place; `make` computes those that are not kept."""
        found = self.store.get(self.picture, place)
        if found is None:
            found = make()
            self.store.put(self.picture, place, found)
        return found

    def of_strip(self, strip: Window) -> StripWeights:
        return StripWeights(self, strip)


@dataclass(frozen=True, slots=True, eq=False)
class StripWeights:
    """Where the weights of one strip of a picture are kept."""

    picture: PictureWeights
    strip: Window

    def weights(
        self, block: Window, schedule: PamrSchedule, make: Callable[[], Weights]
    ) -> Weights:
        """The weights of a block of the strip."""
        return self.picture.weights(Place(self.strip, block, schedule), make)


@dataclass(slots=True)
class _Kept:
    weights: dict[Place, Weights] = field(default_factory=dict)
    bytes: int = 0


class WeightStore:
    """The weights of the pictures in use, bounded in bytes; safe to share between threads."""

    def __init__(self, limit: int = 256 * _MEBIBYTE) -> None:
        self._limit = limit
        self._looks: OrderedDict[str, None] = OrderedDict()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._used = 0
        self._lock = threading.Lock()

    def of(self, picture: str) -> PictureWeights | None:
        """Where to keep the weights; None at the first look, since most pictures have only one."""
        with self._lock:
            was_there = picture in self._looks
            self._looks[picture] = None
            self._looks.move_to_end(picture)
            if len(self._looks) > _LOOKS:
                self._looks.popitem(last=False)
        return PictureWeights(picture, self) if was_there else None

    def get(self, picture: str, place: Place) -> Weights | None:
        with self._lock:
            kept = self._kept.get(picture)
            if kept is None:
                return None
            self._kept.move_to_end(picture)
            return kept.weights.get(place)

    def put(self, picture: str, place: Place, weights: Weights) -> None:
        """Keep what fits; other pictures make room, the longest unused first."""
        with self._lock:
            kept = self._kept.setdefault(picture, _Kept())
            self._kept.move_to_end(picture)
            while self._used + weights.bytes > self._limit and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._used -= dropped.bytes
            if self._used + weights.bytes <= self._limit and place not in kept.weights:
                kept.weights[place] = weights
                kept.bytes += weights.bytes
                self._used += weights.bytes
