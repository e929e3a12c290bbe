"""The linear algebra of a refresh on one thread.

Its matrices are small and its products many thousands. Split among threads, each product waits for
the slowest of them, and beside other busy processes that one waits for a core: decision 27.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import threadpool_limits

Result = TypeVar("Result")


class _SharedLimit:
    """One limit for all who want it at a time; the last one to leave takes it back.

    The number of threads belongs to the process. Of two limits that overlap, the one that ends last
    would restore what the other had set.

    threadpoolctl obeys the first thread that sets a limit for as long as it lives, and no other.
    So a thread that ends at once sets and restores: learning may begin and end on any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: threadpool_limits | None = None

    def take(self) -> None:
        with self._lock:
            if self._limit is None:
                self._limit = _on_a_brief_thread(lambda: threadpool_limits(1, user_api="blas"))
            self._users += 1

    def give_back(self) -> None:
        with self._lock:
            self._users -= 1
            if self._limit is not None and not self._users:
                _on_a_brief_thread(self._limit.restore_original_limits)
                self._limit = None


def _on_a_brief_thread(call: Callable[[], Result]) -> Result:
    with ThreadPoolExecutor(1, "ovseg-blas") as brief:
        return brief.submit(call).result()


_LIMIT = _SharedLimit()  # of this process, as the threads are


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Meanwhile numpy and scipy multiply on the thread that asks; torch is as it was."""
    _LIMIT.take()
    try:
        yield
    finally:
        _LIMIT.give_back()
