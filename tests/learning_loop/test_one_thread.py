"""Learning has one BLAS thread, and afterwards there are as many as before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from learning_samples import asked, corrected
from threadpoolctl import threadpool_info, threadpool_limits
from vector_engine import vector_session

from ovseg_annotate.errors import Cancelled
from ovseg_annotate.learning_loop.one_thread import one_blas_thread
from ovseg_annotate.learning_loop.project import Project
from ovseg_annotate.watch import Watch


def threads() -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    with threadpool_limits(2, user_api="blas"):
        assert threads() == {2}
        yield


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
