from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg_annotate.errors import CacheError
from ovseg_annotate.text.store import Vector, VectorStore

NUMBERS = np.linspace(-1, 1, 7, dtype=np.float32)


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


@settings(deadline=None, max_examples=30)
@given(numbers=st.lists(st.floats(width=32, allow_nan=False), max_size=20))
def test_a_vector_comes_back_as_it_went(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float]
) -> None:
    store = VectorStore(tmp_path_factory.mktemp("vectors"))
    vector: Vector = np.array(numbers, dtype=np.float32)
    store.put({"key": vector})
    found = store.get("key")
    assert found is not None
    assert np.array_equal(found, vector)


def test_what_was_never_kept_is_absent(tmp_path: Path) -> None:
    assert VectorStore(tmp_path / "new" / "folder").get("key") is None


@pytest.mark.parametrize("damage", ["cut short", "emptied", "one byte changed"])
def test_a_damaged_file_counts_as_absent_and_is_made_anew(tmp_path: Path, damage: str) -> None:
    store = VectorStore(tmp_path)
    store.put({"key": NUMBERS})
    file = only_file(tmp_path)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    pieces = {
        "cut short": bytes(content[:-3]),
        "emptied": b"",
        "one byte changed": bytes(content),
    }
    file.write_bytes(pieces[damage])
    assert store.get("key") is None
    store.put({"key": NUMBERS})
    again = store.get("key")
    assert again is not None
    assert np.array_equal(again, NUMBERS)


def test_those_not_used_for_longest_go_first(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, limit=10)
    for number in range(10):
        store.put({f"k{number}": NUMBERS})
        os.utime(tmp_path / f"k{number}.vector", (number, number))
    assert store.get("k0") is not None  # used now: no longer the oldest
    store.put({"one more": NUMBERS})
    assert len(store) <= 10
    assert store.get("k1") is None
    assert store.get("k0") is not None
    assert store.get("one more") is not None


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(CacheError, match="file"):
        VectorStore(blocked / "folder")


def test_a_folder_that_has_gone_costs_time_and_not_the_answer(tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    store = VectorStore(folder)
    folder.rmdir()
    folder.write_text("in the way")
    store.put({"key": NUMBERS})
    assert store.get("key") is None


def test_processes_that_write_the_same_phrases_leave_whole_files_only(tmp_path: Path) -> None:
    writer = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from ovseg_annotate.text.store import VectorStore\n"
        "store = VectorStore(Path(sys.argv[1]), limit=20)\n"
        "for turn in range(200):\n"
        "    number = turn % 25\n"
        "    store.put({f'k{number}': np.full(64, number, dtype=np.float32)})\n"
        "    found = store.get(f'k{number}')\n"
        "    assert found is None or (found == number).all()\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", writer, str(tmp_path)]) for _ in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    store = VectorStore(tmp_path)
    names = [path.name for path in tmp_path.iterdir()]
    assert names
    assert all(name.endswith(".vector") for name in names)
    assert all(store.get(name.removesuffix(".vector")) is not None for name in names)
