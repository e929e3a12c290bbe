from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from correction_samples import correction

from labelstudio_backend.remembered import RememberedProjects
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.learning_loop.journal import Journal
from ovseg_annotate.text.store import VectorStore
from ovseg_annotate.whole_files import (
    STALE,
    TEMPORARY_PREFIX,
    remove_leftovers,
    whole_file,
    write_whole,
)


def test_a_file_appears_with_all_its_pieces(tmp_path: Path) -> None:
    write_whole(tmp_path / "deep" / "file", b"one ", b"two", durable=True)
    assert (tmp_path / "deep" / "file").read_bytes() == b"one two"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file"]


def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def fail() -> None:
        with whole_file(path) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_seen_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with whole_file(path) as file:
        file.write(b"half")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"half"


def test_a_name_as_long_as_the_file_system_takes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("a" * 255)
    write_whole(path, b"x")
    assert path.read_bytes() == b"x"


def test_leftovers_of_killed_writers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    kept = tmp_path / "records" / "a.json"
    kept.write_bytes(b"{}")
    with whole_file(tmp_path / "records" / "b.json") as file:
        file.write(b"half")
        (part,) = (path for path in kept.parent.iterdir() if path != kept)
        (tmp_path / part.name).write_bytes(b"as a killed writer leaves it")
    (tmp_path / "records" / "b.json").unlink()
    remove_leftovers(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]


def _learn(folder: Path) -> None:
    with Journal(folder) as journal:
        journal.take(correction())


WRITERS: dict[str, Callable[[Path], object]] = {
    "corrections": _learn,
    "features": lambda folder: FeatureStore(folder=folder).put("ab", {"a": torch.zeros(2)}),
    "text vectors": VectorStore,
    "what was typed": lambda folder: RememberedProjects(folder, "http://127.0.0.1"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_where_others_may_be_writing_only_what_is_old_is_removed(
    tmp_path: Path, writer: str
) -> None:
    old, fresh = (tmp_path / f"{TEMPORARY_PREFIX}{age}" for age in ("old", "fresh"))
    for path in (old, fresh):
        path.write_bytes(b"half")
    hours_ago = time.time() - 2 * STALE
    os.utime(old, (hours_ago, hours_ago))
    WRITERS[writer](tmp_path)
    assert not old.exists()
    assert fresh.exists()
