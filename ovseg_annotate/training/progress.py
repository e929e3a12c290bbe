"""What a run tells while it goes on: a record a while, one JSON line each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ovseg_annotate.plain_data import json_value
from ovseg_annotate.refused_writes import explained

LOG_FILE = "log.jsonl"


@dataclass(frozen=True, slots=True)
class Progress:
    """The state after `step` optimiser steps."""

    step: int
    steps: int
    loss: float  # of this step
    losses: Mapping[str, float]  # its parts
    learning_rate: float
    gradient_norm: float  # before clipping
    rate: float  # optimiser steps a second, since the process started
    remaining: float  # seconds, at this rate
    score: float | None = None  # of the averaged weights, as last measured; None: never
    scored_at: int | None = None  # the step of that

    def __str__(self) -> str:
        score = "" if self.score is None else f"score {self.score:.3f}  "
        minutes = self.remaining / 60 if math.isfinite(self.remaining) else 0.0
        return (
            f"step {self.step}/{self.steps}  loss {self.loss:.4f}  {score}"
            f"{self.rate:.2f} steps/s  {minutes:.1f} min left"
        )


def append_to_log(folder: Path, progress: Progress) -> None:
    path = folder / LOG_FILE
    with explained(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(progress)) + "\n")


def read_log(folder: Path) -> tuple[Progress, ...]:
    """All records in order; of a step that was run twice around a kill, the later one."""
    path = folder / LOG_FILE
    if not path.exists():
        return ()
    records: dict[int, Progress] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = Progress(**json_value(line))
        except (ValueError, TypeError):
            continue  # a line that a kill cut short
        records[record.step] = record
    return tuple(records[step] for step in sorted(records))
