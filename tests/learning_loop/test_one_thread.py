"""Learning has one BLAS thread, and afterwards there are as many as before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from learning_samples import asked, corrected
from threadpoolctl import threadpool_info, threadpool_limits
from vector_engine import vector_session

from ovseg_annotate.errors import Cancelled
from ovseg_annotate.learning_loop.one_thread import one_blas_thread
from ovseg_annotate.learning_loop.project import Project
from ovseg_annotate.watch import Watch

Made = TypeVar("Made")


def threads() -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def elsewhere(call: Callable[[], Made]) -> Made:
    """Called on a thread that has ended when this returns."""
    with ThreadPoolExecutor(1) as brief:
        return brief.submit(call).result()


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    limit = elsewhere(lambda: threadpool_limits(2, user_api="blas"))
    assert threads() == {2}
    yield
    elsewhere(limit.restore_original_limits)


def test_learning_has_one_thread_and_a_stop_gives_the_others_back(tmp_path: Path) -> None:
    session = vector_session()
    seen: list[set[int]] = []

    def asks_at_last() -> bool:
        seen.append(threads())
        return len(seen) == 8

    with Project(tmp_path) as project:
        for seed in (0, 1):
            project.take(corrected(session, seed))
        with pytest.raises(Cancelled):
            project.refresh(session, asked(), watch=Watch(cancel=asks_at_last))
    assert seen[-1] == {1}
    assert threads() == {2}


def test_of_two_that_overlap_the_last_to_end_gives_the_threads_back() -> None:
    first, second = one_blas_thread(), one_blas_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert threads() == {1}
    second.__exit__(None, None, None)
    assert threads() == {2}


def test_threads_that_live_on_do_not_keep_the_say() -> None:
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        first, second = one_blas_thread(), one_blas_thread()
        one.submit(first.__enter__).result()
        other.submit(second.__enter__).result()
        one.submit(first.__exit__, None, None, None).result()
        assert threads() == {1}
        other.submit(second.__exit__, None, None, None).result()
        assert threads() == {2}
        with one_blas_thread():
            assert threads() == {1}
        assert threads() == {2}
