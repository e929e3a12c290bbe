"""Files are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.atomic import append_spooled, atomic_file, spool, write_atomically


def write_and_fail(path: Path) -> None:
    with atomic_file(path) as file:
        file.write(b"ne")
        raise RuntimeError


def write_to_a_full_disk(path: Path) -> None:
    with atomic_file(path) as file:
        os.dup2(os.open("/dev/full", os.O_WRONLY), file.fileno())
        file.write(b"x" * 100_000)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write_atomically(tmp_path / "a.json", "old")
    with pytest.raises(RuntimeError):
        write_and_fail(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_seen_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with atomic_file(path) as file:
        file.write(b"half")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"half"


def test_the_longest_file_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 125 + ".json")
    assert write_atomically(path, "x").read_text() == "x"


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(FormatError, match="cannot write"):
        write_atomically(tmp_path / "a" / "b.json", "x")
    with pytest.raises(FormatError, match="cannot write"), spool(tmp_path / "a" / "b"):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="free space"):
        write_to_a_full_disk(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_what_is_spooled_comes_behind_what_is_written(tmp_path: Path) -> None:
    with spool(tmp_path) as second, atomic_file(tmp_path / "a") as file:
        second.write(b"second")
        file.write(b"first, ")
        append_spooled(file, second)
    assert (tmp_path / "a").read_bytes() == b"first, second"


def test_bytes_of_a_name_that_are_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"udcff.*rename the picture"):
        write_atomically(tmp_path / "a", "photo \udcff.jpg")
