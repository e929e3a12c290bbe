"""The run folder as a whole: settings, lock, plan, leftovers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from annotated_samples import WORDS, annotated, fingerprint, picture, settings

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import RunError
from ovseg_annotate.formats import native
from ovseg_annotate.run_folder import RunFolder, RunReader, RunSettings
from ovseg_annotate.run_folder.folder import CorrectedMeanwhileError
from ovseg_annotate.run_folder.writing import write_whole
from ovseg_annotate.whole_files import TEMPORARY_PREFIX

ROOT = Path(__file__).parents[2]

HOLDER = """
import sys
from pathlib import Path
from ovseg_annotate.run_folder.lock import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

LIMITED_WRITER = """
import resource, sys
from pathlib import Path
from ovseg_annotate.run_folder.writing import write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_whole(Path(sys.argv[1]), b"x" * 200_000)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "labels"


def test_settings_survive_the_round_trip(out: Path) -> None:
    written = settings(annotate=AnnotateOptions(scale="448", overlap=0.25, threshold=0.125))
    written.write(out)
    assert RunSettings.read(out) == written
    assert RunSettings.read(out).digest == written.digest


def test_any_change_of_settings_changes_the_digest() -> None:
    one = settings()
    others = [
        settings(model="other"),
        settings(weights="1" * 64),
        settings(engine_options="sigma=3"),
        settings(vocabulary="red; green"),
        settings(annotate=AnnotateOptions(overlap=0.25)),
    ]
    assert len({each.digest for each in (one, *others)}) == 6


def test_other_settings_are_refused_by_name_with_a_next_step(out: Path) -> None:
    with RunFolder(out) as folder:
        folder.adopt(settings(), replace=False)
    with RunFolder(out) as folder, pytest.raises(RunError) as refused:
        folder.adopt(settings(annotate=AnnotateOptions(overlap=0.25)), replace=False)
    assert "annotate.overlap: None, now 0.25" in str(refused.value)
    assert "--replace" in str(refused.value)


def test_replacing_makes_suggestions_due_and_keeps_corrections(tmp_path: Path, out: Path) -> None:
    made, corrected = picture(tmp_path / "made.png"), picture(tmp_path / "corrected.png")
    with RunFolder(out) as folder:
        folder.adopt(settings(), replace=False)
        folder.save(made, fingerprint(made), annotated("made.png"))
        path = folder.save(corrected, fingerprint(corrected), annotated("corrected.png"))
    native.write_record(
        path, native.Record(annotated("corrected.png", "green"), native.Kind.CORRECTION)
    )
    with RunFolder(out) as folder:
        folder.adopt(settings(vocabulary="red; green"), replace=True)
        plan = folder.plan([made, corrected])
    assert plan.to_do == (made,)
    assert plan.corrected == (corrected,)


def test_a_correction_saved_during_the_run_is_not_overwritten(tmp_path: Path, out: Path) -> None:
    taken = picture(tmp_path / "a.png")
    with RunFolder(out) as folder:
        folder.adopt(settings(), replace=False)
        assert folder.plan([taken]).to_do == (taken,)
        path = folder.record_path(taken)
        native.write_record(path, native.Record(annotated(concept="green"), native.Kind.CORRECTION))
        with pytest.raises(CorrectedMeanwhileError):
            folder.save(taken, fingerprint(taken), annotated())
    assert native.read_record(path).kind is native.Kind.CORRECTION


def test_a_second_process_is_refused_at_once_and_told_who_holds_the_folder(out: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(out)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"process {holder.pid} is working"), RunFolder(out):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with RunFolder(out):  # the system let go of the lock when it killed the process
        pass


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(out: Path) -> None:
    keep = out / "records" / "a.png.json"
    write_whole(keep, b"{}")
    (out / "records" / f"{TEMPORARY_PREFIX}1").write_bytes(b"half")
    (out / f"{TEMPORARY_PREFIX}2").mkdir()
    (out / f"{TEMPORARY_PREFIX}2" / "a.txt").write_bytes(b"half")
    with RunFolder(out):
        assert not list(out.rglob(f"{TEMPORARY_PREFIX}*"))
    assert keep.exists()


def test_a_reader_gives_all_records_in_order_or_some_evenly_spread(
    tmp_path: Path, out: Path
) -> None:
    with RunFolder(out) as folder:
        folder.adopt(settings(), replace=False)
        for number in range(10):
            taken = picture(tmp_path / f"{number}.png")
            folder.save(taken, fingerprint(taken), annotated(taken.name))
    reader = RunReader(out)
    assert [each.image.name for each in reader.records()] == [f"{n}.png" for n in range(10)]
    assert [each.image.name for each in reader.records(spread=3)] == ["0.png", "3.png", "6.png"]
    first = next(reader.records())
    assert first.image.vocabulary == WORDS
    assert first.source == tmp_path / "0.png"


def test_a_damaged_record_is_named_with_a_next_step(tmp_path: Path, out: Path) -> None:
    settings().write(out)
    (out / "records").mkdir()
    (out / "records" / "a.png.json").write_text('{"schema": 1, "kind"')
    with pytest.raises(RunError, match=r"a\.png\.json.*Delete this record"):
        list(RunReader(out).records())


def test_a_folder_without_settings_is_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        RunReader(tmp_path)


def test_damaged_settings_are_an_error_with_a_next_step(out: Path) -> None:
    write_whole(out / "run.json", b'{"ovseg_run": 1}')
    with pytest.raises(RunError, match="--replace"):
        RunReader(out)


def test_settings_of_a_later_version_name_that_version(out: Path) -> None:
    write_whole(out / "run.json", b'{"ovseg_run": 99, "version": "9.9"}')
    with pytest.raises(RunError, match=r"9\.9"):
        RunReader(out)


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_text("")
    with pytest.raises(RunError, match="labels"), RunFolder(path):
        pass


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_without_write_permission_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunError, match="may not write"), RunFolder(tmp_path / "labels"):
            pass
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes to borrow")
def test_a_write_that_the_system_cuts_short_leaves_the_old_file_and_no_half_one(
    tmp_path: Path,
) -> None:
    target = tmp_path / "a.json"
    target.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED_WRITER, str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("RunError")
    assert "What is finished is kept" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert target.read_bytes() == b"old"
