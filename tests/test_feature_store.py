from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from ovseg_annotate.errors import CacheError
from ovseg_annotate.feature_store import FeatureStore, key_of


def some(value: float, count: int = 256) -> dict[str, torch.Tensor]:
    return {"tokens": torch.full((count,), float(value))}


def entry_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("??/*.features"))


def test_what_was_put_comes_back() -> None:
    store = FeatureStore()
    store.put(key_of("a"), some(1))
    found = store.get(key_of("a"))
    assert found is not None
    assert torch.equal(found["tokens"], some(1)["tokens"])
    assert store.get(key_of("b")) is None
    assert (store.counts.hits, store.counts.misses) == (1, 1)


def test_memory_stays_below_its_bound_and_drops_the_oldest() -> None:
    store = FeatureStore(memory_bytes=3 * 1024)
    for name in "abc":
        store.put(name, some(1))
    store.get("a")
    store.put("d", some(1))
    assert store.get("b") is None
    assert all(store.get(name) is not None for name in "acd")


def test_an_entry_larger_than_the_bound_is_not_kept() -> None:
    store = FeatureStore(memory_bytes=100)
    store.put("a", some(1))
    assert store.get("a") is None


def test_the_disk_outlives_the_store(tmp_path: Path) -> None:
    FeatureStore(folder=tmp_path).put(key_of("a"), some(2))
    found = FeatureStore(folder=tmp_path).get(key_of("a"))
    assert found is not None
    assert torch.equal(found["tokens"], some(2)["tokens"])


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_file_is_a_miss_and_is_made_again(tmp_path: Path, damage: str) -> None:
    key = key_of("a")
    FeatureStore(folder=tmp_path).put(key, some(1))
    (path,) = entry_files(tmp_path)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-1] ^= 1
    path.write_bytes({"flip": content, "cut": content[:50], "empty": b""}[damage])
    store = FeatureStore(folder=tmp_path)
    assert store.get(key) is None
    assert store.counts.damaged == 1
    store.put(key, some(3))
    again = FeatureStore(folder=tmp_path).get(key)
    assert again is not None
    assert float(again["tokens"][0]) == 3


def test_the_disk_stays_near_its_bound_and_drops_what_was_used_longest_ago(
    tmp_path: Path,
) -> None:
    store = FeatureStore(memory_bytes=0, folder=tmp_path, disk_bytes=8 * 1200)
    keys = [key_of(str(number)) for number in range(12)]
    for age, key in enumerate(keys):
        store.put(key, some(age))
        for path in entry_files(tmp_path):
            if path.stem == key:
                os.utime(path, (age, age))
    assert store.disk_use().bytes <= 8 * 1200
    assert store.get(keys[0]) is None
    assert store.get(keys[-1]) is not None


def test_shrinking_drops_what_was_used_longest_ago(tmp_path: Path) -> None:
    store = FeatureStore(memory_bytes=0, folder=tmp_path)
    for age, name in enumerate("abc"):
        store.put(key_of(name), some(age))
        for path in entry_files(tmp_path):
            if path.stem == key_of(name):
                os.utime(path, (age, age))
    store.shrink(store.disk_use().bytes // 2)
    assert store.disk_use().entries == 1
    assert store.get(key_of("c")) is not None


def test_an_unwritable_folder_is_refused_at_once(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(CacheError, match="cannot write"):
        FeatureStore(folder=blocked / "cache")


def test_a_write_that_fails_is_told_and_stops_no_work(tmp_path: Path) -> None:
    store = FeatureStore(folder=tmp_path)
    key = key_of("a")
    (tmp_path / key[:2]).write_text("a file where a folder should be")
    store.put(key, some(1))
    assert store.problem is not None
    assert store.counts.unwritten == 1
    assert store.get(key) is not None


def test_no_temporary_file_is_left(tmp_path: Path) -> None:
    FeatureStore(folder=tmp_path).put(key_of("a"), some(1))
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".features"]


def test_clearing_forgets_memory_and_disk(tmp_path: Path) -> None:
    store = FeatureStore(folder=tmp_path)
    store.put(key_of("a"), some(1))
    store.clear()
    assert store.get(key_of("a")) is None
    assert store.disk_use().entries == 0


def test_threads_share_a_store(tmp_path: Path) -> None:
    store = FeatureStore(memory_bytes=5 * 1024, folder=tmp_path)
    wrong: list[str] = []

    def work(seed: int) -> None:
        for step in range(60):
            number = (seed * 7 + step) % 10
            found = store.get(key_of(str(number)))
            if found is not None and float(found["tokens"][0]) != number:
                wrong.append(f"{number}: {found['tokens'][0]}")
            store.put(key_of(str(number)), some(number))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.slow
def test_processes_share_a_folder(tmp_path: Path) -> None:
    script = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from ovseg_annotate.feature_store import FeatureStore, key_of\n"
        "store = FeatureStore(memory_bytes=0, folder=Path(sys.argv[1]), disk_bytes=9000)\n"
        "for step in range(150):\n"
        "    number = (step * int(sys.argv[2])) % 12\n"
        "    found = store.get(key_of(str(number)))\n"
        "    assert found is None or float(found['tokens'][0]) == number\n"
        "    store.put(key_of(str(number)), {'tokens': torch.full((256,), float(number))})\n"
        "assert store.counts.damaged == 0 and store.problem is None, store.problem\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), pace]) for pace in ("5", "7")
    ]
    assert [process.wait() for process in running] == [0, 0]
