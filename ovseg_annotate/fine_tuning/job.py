"""A fine-tuning on disk: what it works on and how far it came. Imports no torch.

PROJECT/fine_tuning/
├── last.json           what the last fine-tuning was about and came to
└── 1f0c9a4e.../        the one that is under way, named by the digest of its version
    ├── job.json        what it is about: written last, so that the rest is whole
    ├── learnt.safetensors, held_back.safetensors, start.safetensors
    ├── checkpoint.pt, log.jsonl, curves.png, best.safetensors
    └── trained.json    the training has ended
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from ovseg_annotate.errors import OptionError, RunError
from ovseg_annotate.options import read_options
from ovseg_annotate.plain_data import json_value
from ovseg_annotate.run_folder.writing import write_whole

FOLDER = "fine_tuning"
LEARNT, HELD_BACK, START = "learnt.safetensors", "held_back.safetensors", "start.safetensors"
BEST = "best.safetensors"

_JOB, _TRAINED, _LAST = "job.json", "trained.json", "last.json"
_DIGITS = 16  # of the digest in a folder's name
_SHARE = 0.35  # of the pictures that are held back
_FEWEST = 2  # held back

CardT = TypeVar("CardT")


@dataclass(frozen=True, slots=True)
class JobCard:
    """What a fine-tuning is about; equal ones come to the same version."""

    facts: str  # digest of base, words and settings
    start: str  # digest of the tuned head it starts from; "": the head as it came
    parent: str  # digest of the version in service when it began; "": the base
    model: str  # ENGINE@WEIGHTS
    weights: str  # sha256 of the base's weights
    space: str
    engine_options: str
    vocabulary: str
    competing: str  # the same words with those that compete
    options: str
    settings: str
    corrections: tuple[tuple[str, str], ...]  # picture and digest of its answer, by picture
    held_back: tuple[str, ...]  # pictures among them
    left_out: tuple[tuple[str, str, str], ...]  # picture, its answer, why it could not be used

    @property
    def considered(self) -> tuple[tuple[str, str], ...]:
        """All corrections that there were, by picture."""
        unused = ((picture, answer) for picture, answer, _ in self.left_out)
        return tuple(sorted((*self.corrections, *unused)))

    @property
    def digest(self) -> str:
        """Of the version that it comes to."""
        plain = [self.facts, self.start, sorted(self.corrections), sorted(self.held_back)]
        return hashlib.sha256(json.dumps(["fine-tuning", 1, *plain]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Trained:
    """How a training ended."""

    steps: int  # that were taken
    score: float  # of the best head, on what is held back
    head_before: str  # sha256 of the weights
    head_after: str


@dataclass(frozen=True, slots=True)
class Last:
    """What the last fine-tuning was about and came to."""

    facts: str
    corrections: tuple[tuple[str, str], ...]
    digest: str  # of its version, whether or not it was put into service
    sentence: str


class Jobs:
    """The fine-tunings of one project: at most one is under way."""

    def __init__(self, project: Path) -> None:
        self.folder = project / FOLDER

    @property
    def under_way(self) -> Path | None:
        """The folder of the one that can be gone on with or concluded."""
        return next((path.parent for path in sorted(self.folder.glob(f"*/{_JOB}"))), None)

    @property
    def last(self) -> Last | None:
        path = self.folder / _LAST
        return _read(path, Last) if path.is_file() else None

    def new_folder(self, card: JobCard) -> Path:
        """An empty folder; what was under way is given up."""
        self.clear()
        folder = self.folder / card.digest[:_DIGITS]
        folder.mkdir(parents=True)
        return folder

    def conclude(self, last: Last) -> None:
        """Nothing is under way any more."""
        _write(self.folder / _LAST, last)
        self.clear()

    def clear(self) -> None:
        """Give up what is under way, its card first: half a job is none."""
        for folder in self.folder.glob("*/"):
            (folder / _JOB).unlink(missing_ok=True)
            shutil.rmtree(folder)


def read_job(folder: Path) -> JobCard:
    return _read(folder / _JOB, JobCard)


def write_job(folder: Path, card: JobCard) -> None:
    _write(folder / _JOB, card)


def read_trained(folder: Path) -> Trained | None:
    """None: the training has not ended yet."""
    path = folder / _TRAINED
    return _read(path, Trained) if path.is_file() else None


def write_trained(folder: Path, trained: Trained) -> None:
    _write(folder / _TRAINED, trained)


def held_back_among(pictures: Sequence[str]) -> frozenset[str]:
    """Those that judge, by the digests of their names: what judged once is never learnt from.

    So that no head is judged by what an earlier one of the same project has learnt.
    """
    ranked = sorted(pictures, key=_rank)
    return frozenset(
        name for place, name in enumerate(ranked) if place < _FEWEST or _rank(name) < _SHARE * 2**64
    )


def _rank(picture: str) -> int:
    name = picture.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big")


def _write(path: Path, content: JobCard | Trained | Last) -> None:
    write_whole(path, json.dumps(asdict(content), indent=1).encode("ascii") + b"\n")


def _read(path: Path, kind: type[CardT]) -> CardT:
    try:
        return read_options(kind, json_value(path.read_bytes()))
    except (OSError, ValueError, TypeError, OptionError) as error:
        raise RunError(
            f"cannot read {path}: {error}; remove its folder to begin this fine-tuning again"
        ) from error
