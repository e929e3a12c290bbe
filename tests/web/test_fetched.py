from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.web.fetched import Fetched, FetchedPictures


class Shelf:
    """Fetches that are counted."""

    def __init__(self, size: int = 10) -> None:
        self.size = size
        self.asked: list[Fetched | None] = []

    def __call__(self, known: Fetched | None) -> Fetched:
        self.asked.append(known)
        return Fetched(bytes(self.size), {"If-None-Match": '"1"'})


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 60)), max_size=40))
def test_memory_stays_within_its_bound(asked: list[tuple[str, int]]) -> None:
    kept = FetchedPictures(memory_bytes=100, fresh_seconds=0)
    for address, size in asked:
        assert len(kept.get(address, Shelf(size))) == size
        assert sum(len(each.content) for each in kept._kept.values()) == kept._used <= 100


def test_what_was_used_longest_ago_is_dropped() -> None:
    kept, shelf = FetchedPictures(memory_bytes=25), Shelf()
    for address in ("a", "b", "a", "c"):  # c drops b
        kept.get(address, shelf)
    before = len(shelf.asked)
    kept.get("a", shelf)
    assert len(shelf.asked) == before
    kept.get("b", shelf)
    assert len(shelf.asked) == before + 1


def test_a_picture_larger_than_the_memory_is_given_and_not_kept() -> None:
    kept, shelf = FetchedPictures(memory_bytes=5), Shelf()
    kept.get("a", shelf)
    kept.get("a", shelf)
    assert len(shelf.asked) == 2


def test_a_file_without_a_version_is_fetched_again_in_whole() -> None:
    kept = FetchedPictures(fresh_seconds=0)
    seen: list[Fetched | None] = []

    def fetch(known: Fetched | None) -> Fetched:
        seen.append(known)
        return Fetched(b"x", {})

    kept.get("a", fetch)
    kept.get("a", fetch)
    assert seen == [None, None]


def test_a_failure_is_shared_and_not_kept() -> None:
    kept = FetchedPictures()
    begun, go_on = threading.Event(), threading.Event()

    def failing(_: Fetched | None) -> Fetched:
        begun.set()
        assert go_on.wait(10)
        raise ConnectionError("away")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(kept.get, "a", failing)
        assert begun.wait(10)
        second = pool.submit(kept.get, "a", Shelf())
        while kept.counts.hits == 0:  # until the second has joined
            assert not second.done()
        go_on.set()
        for future in (first, second):
            with pytest.raises(ConnectionError, match="away"):
                future.result()
    assert kept.get("a", Shelf()) == bytes(10)
