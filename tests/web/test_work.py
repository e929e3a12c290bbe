from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg_annotate.errors import Cancelled
from ovseg_annotate.web.work import BusyError, Stopped, StoppingError, WorkQueue


class Gate:
    """Work that waits until it is let through, and says that it runs."""

    def __init__(self, answer: str = "done") -> None:
        self.answer = answer
        self.runs = threading.Semaphore(0)
        self.opened = threading.Event()
        self.times = 0

    def __call__(self, stopped: Stopped) -> str:
        self.times += 1
        self.runs.release()
        while not self.opened.wait(0.01):
            if stopped():
                raise InterruptedError("stopped")
        return self.answer

    def wait_until_it_runs(self) -> None:
        assert self.runs.acquire(timeout=10)


@pytest.fixture
def gate() -> Iterator[Gate]:
    found = Gate()
    yield found
    found.opened.set()


def test_what_does_not_fit_is_refused_with_numbers(gate: Gate) -> None:
    queue = WorkQueue[str](1, 2)
    first = queue.submit(gate)
    gate.wait_until_it_runs()
    waiting = [queue.submit(gate) for _ in range(2)]
    with pytest.raises(BusyError, match="1 requests are in work and 2 wait"):
        queue.submit(gate)
    assert (queue.depth, queue.in_work) == (2, 1)
    gate.opened.set()
    assert [each.result(10) for each in (first, *waiting)] == ["done"] * 3
    queue.close(1)


def test_the_same_question_is_worked_on_once(gate: Gate) -> None:
    queue = WorkQueue[str](2, 1)
    futures = [queue.submit(gate, key="task 7") for _ in range(5)]
    gate.wait_until_it_runs()
    gate.opened.set()
    assert [each.result(10) for each in futures] == ["done"] * 5
    assert (gate.times, queue.joined) == (1, 4)
    queue.close(1)


def test_a_question_that_was_answered_is_asked_anew() -> None:
    queue, counted = WorkQueue[int](1, 4), iter(range(9))
    answers = []
    for _ in range(3):
        future = queue.submit(lambda _: next(counted), key="task 7")
        answers.append(future.result(10))
        queue.submit(lambda _: -1).result(10)  # behind it on the only thread: it is forgotten now
    assert answers == [0, 1, 2]
    queue.close(1)


def test_a_failure_reaches_everybody_who_asked_and_the_thread_goes_on(gate: Gate) -> None:
    def failing(stopped: Stopped) -> str:
        gate(stopped)
        raise LookupError("no such task")

    queue = WorkQueue[str](1, 4)
    futures = [queue.submit(failing, key="task 7") for _ in range(2)]
    gate.opened.set()
    for future in futures:
        with pytest.raises(LookupError, match="no such task"):
            future.result(10)
    assert queue.submit(lambda _: "next").result(10) == "next"
    queue.close(1)


def test_batches_leave_a_worker_to_the_person_at_the_screen(gate: Gate) -> None:
    queue = WorkQueue[str](2, 9)
    batches = [queue.submit(gate) for _ in range(4)]
    gate.wait_until_it_runs()
    assert queue.submit(lambda _: "at once", urgent=True).result(10) == "at once"
    assert queue.in_work == 1
    gate.opened.set()
    assert [each.result(10) for each in batches] == ["done"] * 4
    queue.close(1)


def test_what_is_urgent_goes_before_what_waited_longer(gate: Gate) -> None:
    queue, order = WorkQueue[None](1, 9), list[str]()
    first = queue.submit(lambda stopped: order.append(gate(stopped)))
    gate.wait_until_it_runs()
    later = [queue.submit(lambda _: order.append("batch")) for _ in range(2)]
    later.append(queue.submit(lambda _: order.append("person"), urgent=True))
    gate.opened.set()
    for each in (first, *later):
        each.result(10)
    assert order == ["done", "person", "batch", "batch"]
    queue.close(1)


def test_closing_refuses_what_waits_and_finishes_what_runs(gate: Gate) -> None:
    queue = WorkQueue[str](1, 9)
    running = queue.submit(gate, key="a")
    gate.wait_until_it_runs()
    waiting = queue.submit(gate, key="b")
    queue.begin_closing()
    with pytest.raises(StoppingError, match="had not begun"):
        waiting.result(10)
    with pytest.raises(StoppingError):
        queue.submit(gate)
    gate.opened.set()
    queue.close(10)
    assert running.result(0) == "done"


def test_work_that_takes_too_long_is_told_to_stop(gate: Gate) -> None:
    queue = WorkQueue[str](1, 9)
    running = queue.submit(gate)
    gate.wait_until_it_runs()
    queue.close(0.05)
    with pytest.raises(InterruptedError):
        running.result(0)


def test_work_that_does_not_stop_is_answered_for() -> None:
    go_on, begun = threading.Event(), threading.Event()

    def deaf(_: Stopped) -> bool:
        begun.set()
        return go_on.wait(20)

    queue = WorkQueue[bool](1, 9)
    running = queue.submit(deaf)
    assert begun.wait(10)
    queue.close(0.01)
    with pytest.raises(StoppingError, match="before this was finished"):
        running.result(0)
    go_on.set()  # its late answer disturbs nobody


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from([None, "a", "b"]), st.booleans(), st.booleans()), max_size=30
    ),
    st.integers(1, 4),
)
def test_everything_that_is_accepted_is_answered(
    asked: list[tuple[str | None, bool, bool]], workers: int
) -> None:
    queue = WorkQueue[int](workers, 5)
    futures: list[Future[int]] = []
    refused = 0
    for key, urgent, fails in asked:

        def work(_: Stopped, fails: bool = fails) -> int:
            return 1 // (not fails)

        try:
            futures.append(queue.submit(work, key=key, urgent=urgent))
        except BusyError:
            refused += 1
    queue.close(10)
    assert len(futures) + refused == len(asked)
    assert all(each.done() for each in futures)


def test_what_nobody_waits_for_any_more_leaves_the_queue(gate: Gate) -> None:
    queue = WorkQueue[str](1, 2)
    running = queue.submit(gate)
    gate.wait_until_it_runs()
    left, waiting = queue.submit(gate, key="left"), queue.submit(gate, urgent=True)
    queue.withdraw(left)
    queue.withdraw(running)  # it has begun, and goes on
    with pytest.raises(Cancelled):
        left.result(10)
    assert queue.depth == 1
    assert queue.submit(gate, key="left") is not left
    gate.opened.set()
    assert [each.result(10) for each in (running, waiting)] == ["done"] * 2
    queue.close(1)
