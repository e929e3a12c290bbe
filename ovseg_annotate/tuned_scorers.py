"""Several heads in one session: tuned ones score with the features that the model came with."""

from __future__ import annotations

import threading
from collections import OrderedDict

from ovseg_annotate.engine import Engine, FineTunable
from ovseg_annotate.errors import VersionError
from ovseg_annotate.lessons.head_weights import tuned
from ovseg_annotate.lessons.tuned_head import TunedHead
from ovseg_annotate.scoring import Scorer

_KEPT = 8  # heads


class TunedScorers:
    """The scorer of each head that was asked for lately; safe to share between threads."""

    def __init__(self, base: Scorer) -> None:
        self._base = base
        self._kept: OrderedDict[str, Scorer] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, head: TunedHead | None) -> Scorer:
        """The one for a tuned head; None: for the head as it came."""
        if head is None:
            return self._base
        with self._lock:
            if head.digest not in self._kept:
                engine = with_tuned_head(self._base.engine, head)
                self._kept[head.digest] = self._base.with_engine(engine)
            self._kept.move_to_end(head.digest)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[head.digest]


def with_tuned_head(engine: Engine, head: TunedHead) -> Engine:
    """An engine whose head was fine-tuned; the rest is shared with the one that is given."""
    if not isinstance(engine, FineTunable):
        raise VersionError(
            f"version {head.digest[:8]} changes the head of an engine, and {engine.card.name} has "
            "none; open the model that it was learnt with"
        )
    return engine.with_head(tuned(engine.head, head))
