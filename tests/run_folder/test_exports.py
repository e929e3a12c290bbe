"""Exports replace what we wrote and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ovseg_annotate.errors import FormatError, RunError
from ovseg_annotate.run_folder.exports import MANIFEST_NAME, Exports
from ovseg_annotate.whole_files import TEMPORARY_PREFIX


class Files:
    """Writes the given files, as a format would."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts

    def __call__(self, folder: Path) -> None:
        for name, text in self.texts.items():
            path = folder / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def test_files_are_put_in_place_and_counted(tmp_path: Path) -> None:
    report = Exports(tmp_path).publish("yolo", Files(a="1", b="2"))
    assert (tmp_path / "yolo" / "a.txt").read_text() == "1"
    assert (report.files, report.kept) == (2, ())


def test_our_own_files_are_replaced_by_a_later_export(tmp_path: Path) -> None:
    Exports(tmp_path).publish("yolo", Files(a="1"))
    report = Exports(tmp_path).publish("yolo", Files(a="2"))
    assert (tmp_path / "yolo" / "a.txt").read_text() == "2"
    assert report.kept == ()


def test_a_file_that_a_person_changed_stays_and_is_named(tmp_path: Path) -> None:
    Exports(tmp_path).publish("yolo", Files(a="1", b="1"))
    (tmp_path / "yolo" / "a.txt").write_text("by hand")
    for text in ("2", "3"):
        report = Exports(tmp_path).publish("yolo", Files(a=text, b=text))
        assert report.kept == (tmp_path / "yolo" / "a.txt",)
    assert (tmp_path / "yolo" / "a.txt").read_text() == "by hand"
    assert (tmp_path / "yolo" / "b.txt").read_text() == "3"


def test_a_file_that_a_person_put_there_first_stays(tmp_path: Path) -> None:
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "a.txt").write_text("by hand")
    assert Exports(tmp_path).publish("yolo", Files(a="1")).kept
    assert (tmp_path / "yolo" / "a.txt").read_text() == "by hand"


def test_a_file_that_is_no_longer_written_goes_unless_a_person_changed_it(tmp_path: Path) -> None:
    Exports(tmp_path).publish("yolo", Files(a="1", b="1", c="1"))
    (tmp_path / "yolo" / "c.txt").write_text("by hand")
    Exports(tmp_path).publish("yolo", Files(a="1"))
    names = sorted(path.name for path in (tmp_path / "yolo").iterdir())
    assert names == ["a.txt", "c.txt"]


def test_a_file_that_a_person_deleted_comes_back(tmp_path: Path) -> None:
    Exports(tmp_path).publish("yolo", Files(a="1"))
    (tmp_path / "yolo" / "a.txt").unlink()
    assert Exports(tmp_path).publish("yolo", Files(a="2")).kept == ()
    assert (tmp_path / "yolo" / "a.txt").read_text() == "2"


def test_a_kill_between_listing_and_replacing_leaves_no_file_that_looks_like_a_persons(
    tmp_path: Path,
) -> None:
    Exports(tmp_path).publish("yolo", Files(a="1"))
    manifest = (tmp_path / MANIFEST_NAME).read_text()
    Exports(tmp_path).publish("yolo", Files(a="2"))
    # What stands on the disk while files are put in place: both digests, either file.
    both = {
        key: json.loads(manifest)[key] + json.loads((tmp_path / MANIFEST_NAME).read_text())[key]
        for key in json.loads(manifest)
    }
    for text in ("1", "2"):
        (tmp_path / MANIFEST_NAME).write_text(json.dumps(both))
        (tmp_path / "yolo" / "a.txt").write_text(text)
        assert Exports(tmp_path).publish("yolo", Files(a="3")).kept == ()


def test_two_formats_do_not_disturb_one_another(tmp_path: Path) -> None:
    Exports(tmp_path).publish("yolo", Files(a="1"))
    Exports(tmp_path).publish("coco", Files(a="2"))
    assert (tmp_path / "yolo" / "a.txt").read_text() == "1"


@pytest.mark.parametrize("failure", [FormatError("a bad region"), OSError(28, "No space left")])
def test_a_failed_export_changes_nothing_and_leaves_nothing(
    tmp_path: Path, failure: Exception
) -> None:
    Exports(tmp_path).publish("yolo", Files(a="1"))

    def write(folder: Path) -> None:
        (folder / "a.txt").write_text("half")
        raise failure

    with pytest.raises((FormatError, RunError)):
        Exports(tmp_path).publish("yolo", write)
    assert (tmp_path / "yolo" / "a.txt").read_text() == "1"
    assert not list(tmp_path.rglob(f"{TEMPORARY_PREFIX}*"))


def test_a_full_disk_below_a_format_is_told_as_a_full_disk(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        raise FormatError(f"cannot write {folder}") from OSError(28, "No space left on device")

    with pytest.raises(RunError, match="free some space and give the same command"):
        Exports(tmp_path).publish("yolo", write)


def test_a_damaged_manifest_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text("[1, 2")
    with pytest.raises(RunError, match="Delete it to go on"):
        Exports(tmp_path)
