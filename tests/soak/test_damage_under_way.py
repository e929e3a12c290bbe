"""Files that are damaged, and a device that fails, while a session is at work.

What must hold: an answer is the right one or an error that says what is wrong, and the pictures
that are not concerned get theirs.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from annotated_samples import picture_file
from effort import Effort
from fake_engine import FakeEngine
from soak.kills import ROOT
from torch import Tensor

from ovseg_annotate.annotation import Annotation
from ovseg_annotate.devices import placement
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.image import Image, from_array
from ovseg_annotate.run_folder import RunSettings
from ovseg_annotate.session import Session
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("red; green; blue")
CPU = placement("cpu", "float32", half_precision=False)
MINI = ROOT / "ovseg_annotate" / "assets" / "mini"


def picture(number: int) -> Image:
    pixels = np.random.default_rng(number).integers(0, 256, (70, 90, 3), np.uint8)
    pixels[:40, :40] = (255, 0, 0)
    return from_array(pixels)


def plain_session() -> Session:
    return Session(FakeEngine(), CPU, FeatureStore(memory_bytes=0))


def as_bytes(annotation: Annotation) -> bytes:
    label_map = annotation.label_map
    return b"".join(each.tobytes() for each in (label_map.labels, label_map.confidence))


def damage(folder: Path, chance: random.Random) -> None:
    """Do something to a kept file, as a failing disk or a careless person would."""
    files = sorted(folder.rglob("*.features"))
    if not files:
        return
    path = chance.choice(files)
    content = bytearray(path.read_bytes())
    kind = chance.randrange(4)
    if kind == 0:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
    elif kind == 1:
        path.write_bytes(content[: chance.randrange(len(content))])
    elif kind == 2:
        path.unlink()
    else:
        path.write_bytes(bytes(len(content)))


def test_kept_features_may_be_damaged_at_any_time(tmp_path: Path, effort: Effort) -> None:
    chance = effort.chance("features")
    expected = [as_bytes(plain_session().annotate(picture(n), WORDS)) for n in range(4)]
    store = FeatureStore(memory_bytes=0, folder=tmp_path)
    session = Session(FakeEngine(), CPU, store)
    for _ in effort.numbers(short=30, long=400, seconds=10):
        number = chance.randrange(4)
        assert as_bytes(session.annotate(picture(number), WORDS)) == expected[number]
        damage(tmp_path, chance)
    assert store.counts.damaged > 0
    assert store.problem is None


@dataclass
class FailingDevice(FakeEngine):
    """Runs out of memory, or fails, when it is told to."""

    out_of_memory: set[int] = field(default_factory=set)  # numbers of calls
    fails: set[int] = field(default_factory=set)
    calls: int = 0

    def encode_image(self, windows: Tensor) -> object:  # type: ignore[override]
        self.calls += 1
        if self.calls in self.out_of_memory:
            raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
        if self.calls in self.fails:
            raise RuntimeError("CUDA error: an illegal memory access was encountered (simulated)")
        return super().encode_image(windows)


def test_a_device_that_runs_out_of_memory_gives_the_same_bytes(effort: Effort) -> None:
    chance = effort.chance("memory")
    expected = [as_bytes(plain_session().annotate(picture(n), WORDS)) for n in range(6)]
    for _ in effort.numbers(short=3, long=60, seconds=5):
        engine = FailingDevice(out_of_memory={chance.randrange(1, 12) for _ in range(2)})
        session = Session(engine, CPU, FeatureStore(memory_bytes=0))
        found = [session.annotate(picture(number), WORDS) for number in range(6)]
        assert [as_bytes(each) for each in found] == expected


def test_a_device_that_fails_costs_one_picture_and_says_which(
    tmp_path: Path, effort: Effort
) -> None:
    chance = effort.chance("device")
    paths = [picture_file(tmp_path / f"{number}.png", (255, number, 0)) for number in range(8)]
    whole = plain_session().annotate_many(paths, WORDS)
    expected = [as_bytes(each.annotation) for each in whole if each.annotation is not None]
    for _ in effort.numbers(short=3, long=60, seconds=5):
        engine = FailingDevice(fails={chance.randrange(1, 9)})
        session = Session(engine, CPU, FeatureStore(memory_bytes=0))
        outcomes = list(session.annotate_many(paths, WORDS))
        failed = [number for number, each in enumerate(outcomes) if each.annotation is None]
        assert len(failed) == 1
        assert "illegal memory access" in str(outcomes[failed[0]].error)
        for number, each in enumerate(outcomes):
            if each.annotation is not None:
                assert as_bytes(each.annotation) == expected[number]


DIGEST = """
import sys
from ovseg_annotate.backbones.digests import tower_digest
print(tower_digest(sys.argv[1]))
"""


def digest_of(tower: Path) -> str:
    """As a process finds it that has just been started."""
    command = [sys.executable, "-c", DIGEST, str(tower)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_weights_that_change_between_two_starts_are_other_weights(tmp_path: Path) -> None:
    """So a run that goes on is refused: half of its pictures would be of another model."""
    tower = tmp_path / "tower"
    shutil.copytree(MINI, tower, ignore=shutil.ignore_patterns("*seg*"))
    before = digest_of(tower)
    weights = tower / "open_clip_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    after = digest_of(tower)
    assert before != after
    from annotated_samples import settings  # noqa: PLC0415

    one: RunSettings = settings(weights=before)
    assert one.differences(settings(weights=after)) == (f"weights: {before!r}, now {after!r}",)
