"""A disk that fills up under each thing that is written.

What must hold: the error is one of ours and names the file; what was there before is whole, and no
half-written file is left; once there is room, the same call goes on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from annotated_samples import annotated, fingerprint, picture, settings
from hostile.readers import annotated as with_masks
from soak.kills import files_in, leftovers_in

from labelstudio_backend.journal import Journal as PushJournal
from ovseg_annotate.descriptions.prompts import ConceptPrompt, Source
from ovseg_annotate.descriptions.store import AnswerStore
from ovseg_annotate.errors import OvsegError, RunError
from ovseg_annotate.feature_store import FeatureStore, key_of
from ovseg_annotate.formats.catalogue import FORMATS, format_named
from ovseg_annotate.learning_loop.corrections import Correction, correction_of
from ovseg_annotate.learning_loop.journal import Journal
from ovseg_annotate.run_folder import RunFolder
from ovseg_annotate.text.store import VectorStore
from ovseg_annotate.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint

SIZE = 512 * 1024  # bytes of the disk
BALLAST = "ballast"


@dataclass(frozen=True)
class SmallDisk:
    folder: Path

    def fill(self, left: int) -> None:
        """Leave about so many bytes."""
        with suppress(OSError), (self.folder / BALLAST).open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        space = os.statvfs(self.folder)
        assert space.f_bavail * space.f_frsize < 4096
        size = (self.folder / BALLAST).stat().st_size
        os.truncate(self.folder / BALLAST, max(0, size - left))

    def free(self) -> None:
        (self.folder / BALLAST).unlink()

    def contents(self) -> dict[str, bytes]:
        found = files_in(self.folder)
        return {name: content for name, content in found.items() if name not in (BALLAST, ".lock")}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.call(mount, stderr=subprocess.DEVNULL):
        pytest.skip("needs the right to mount a small disk")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_run_folder_keeps_what_is_finished_and_goes_on(disk: SmallDisk, tmp_path: Path) -> None:
    out = disk.folder / "labels"
    pictures = [picture(tmp_path / f"{number}.png") for number in range(4)]
    with RunFolder(out) as run:
        run.adopt(settings(), pictures, replace=False)
        run.save(pictures[0], fingerprint(pictures[0]), annotated(pictures[0].name))
        before = disk.contents()
        disk.fill(left=0)
        for each in pictures[1:]:
            with pytest.raises(OvsegError, match=rf"{each.name}.*free some space"):
                run.save(each, fingerprint(each), annotated(each.name))
        with pytest.raises(OvsegError, match=rf"{pictures[0].name}"):
            run.save_correction(annotated(pictures[0].name, "green"), accepted=True)
        with pytest.raises(OvsegError, match="free some space"):
            run.adopt(settings(vocabulary="red"), pictures, replace=True)
        assert disk.contents() == before
        disk.free()
    with RunFolder(out) as run:
        run.adopt(settings(), pictures, replace=False)
        assert run.plan(pictures).finished == (pictures[0],)
        for each in pictures[1:]:
            run.save(each, fingerprint(each), annotated(each.name))
        assert len(run.plan(pictures).finished) == 4


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_is_whole_or_the_one_before(disk: SmallDisk, name: str) -> None:
    few = [with_masks("a.png")]
    # More than the disk holds, in whatever format.
    many = [with_masks(f"{number:04}.png") for number in range(1500)]
    with RunFolder(disk.folder / "run") as run:
        run.export(name, lambda to: format_named(name).write(few, to))
        before = disk.contents()
        disk.fill(left=16_384)
        with pytest.raises(OvsegError, match="free some space"):
            run.export(name, lambda to: format_named(name).write(many, to))
        after = disk.contents()
        disk.free()
        assert after == before
        run.export(name, lambda to: format_named(name).write(few, to))
    assert disk.contents().keys() == before.keys()
    assert len(list(format_named(name).read(disk.folder / "run" / name))) == 1


def refusal(journal: Journal, correction: Correction) -> str | None:
    """Why a correction was not written down; None where it was."""
    try:
        journal.take(correction)
    except RunError as error:
        return str(error)
    return None


def test_the_journal_of_corrections_loses_only_what_it_refused(disk: SmallDisk) -> None:
    def correction(name: str) -> Correction:
        return correction_of(None, annotated(name), accepted=True)

    with Journal(disk.folder) as journal:
        journal.take(correction("a.png"))
        disk.fill(left=0)
        refused = 0
        for number in range(40):  # the last block of the file has room for a few
            before = journal.digest, disk.contents()
            problem = refusal(journal, correction(f"{number}.png"))
            if problem is not None:
                refused += 1
                assert "journal.jsonl" in problem
                assert (journal.digest, disk.contents()) == before
        assert refused > 1
        with pytest.raises(RunError, match="free some space"), Journal(disk.folder / "another"):
            pass
        disk.free()
        journal.take(correction("b.png"))
        digest = journal.digest
    with Journal(disk.folder) as journal:
        assert journal.warnings == ()
        assert journal.digest == digest


def test_a_training_keeps_its_last_checkpoint(disk: SmallDisk) -> None:
    def checkpoint(step: int) -> Checkpoint:
        numbers = {"w": torch.full((10_000,), float(step))}
        return Checkpoint(step, numbers, numbers, (), "digest")

    save_checkpoint(disk.folder, checkpoint(1))
    disk.fill(left=8192)
    with pytest.raises(OvsegError, match=r"checkpoint\.pt.*free some space"):
        save_checkpoint(disk.folder, checkpoint(2))
    assert leftovers_in(disk.folder) == []
    found = load_checkpoint(disk.folder)
    assert found is not None
    assert found.step == 1
    disk.free()
    save_checkpoint(disk.folder, checkpoint(2))
    found = load_checkpoint(disk.folder)
    assert found is not None
    assert found.step == 2


def test_caches_say_so_and_stop_no_work(disk: SmallDisk) -> None:
    store = FeatureStore(folder=disk.folder / "features")
    words = VectorStore(disk.folder / "words")
    answers = AnswerStore(disk.folder / "answers", "a model")
    disk.fill(left=0)
    tensors = {"tokens": torch.ones(50_000)}
    store.put(key_of("a"), tensors)
    assert store.get(key_of("a")) is not None
    assert "no longer kept" in str(store.problem)
    words.put({"car": torch.ones(8).numpy()})
    assert words.get("car") is None
    said = answers.put(ConceptPrompt(name="car", colour=("red",), source=Source.ENDPOINT))
    assert said is not None
    assert "make room" in said
    assert leftovers_in(disk.folder) == []
    disk.free()
    fresh = FeatureStore(folder=disk.folder / "features")
    fresh.put(key_of("a"), tensors)
    assert FeatureStore(folder=disk.folder / "features").get(key_of("a")) is not None


def test_a_push_stops_with_an_error_that_names_its_journal(disk: SmallDisk) -> None:
    def until_full(journal: PushJournal) -> None:
        for number in range(100_000):
            journal.sending(number)

    with PushJournal(disk.folder / "push.sqlite") as journal:
        journal.sending(1)
        disk.fill(left=8192)
        with pytest.raises(OvsegError, match=r"push\.sqlite"):
            until_full(journal)
        disk.free()
        journal.sending(2)
    with PushJournal(disk.folder / "push.sqlite") as journal:
        assert {1, 2} <= journal.in_doubt()
