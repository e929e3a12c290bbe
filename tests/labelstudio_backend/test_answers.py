"""Finished answers survive a time-out of whoever asked for them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from labelstudio_backend.answers import Answers
from labelstudio_backend.wire import Prediction
from ovseg_annotate.errors import Cancelled, ImageError

ITEM = {"id": "a", "type": "polygonlabels", "value": {"points": [[1, 2.5]]}}
PREDICTION = Prediction((ITEM,), 0.5, "v")


def never() -> Prediction:
    raise AssertionError("this answer is kept")


def test_a_finished_answer_is_not_made_again() -> None:
    answers = Answers()
    assert answers.answer("k", lambda: PREDICTION) == PREDICTION
    again = answers.answer("k", never)
    assert (again.score, again.model_version) == (0.5, "v")
    assert again.result[0]["value"] == ITEM["value"]
    counts = answers.counts
    assert (counts.hits, counts.misses, counts.entries) == (1, 1, 1)


def test_a_kept_answer_comes_with_ids_of_its_own() -> None:
    answers = Answers()
    answers.answer("k", lambda: PREDICTION)
    ids = {answers.answer("k", never).result[0]["id"] for _ in range(3)}
    assert len(ids | {"a"}) == 4


def test_a_failure_is_tried_again() -> None:
    answers = Answers()

    def fails() -> Prediction:
        raise ImageError("gone")

    with pytest.raises(ImageError):
        answers.answer("k", fails)
    assert answers.answer("k", lambda: PREDICTION) == PREDICTION


def test_what_was_used_longest_ago_is_dropped_first() -> None:
    one = Answers()
    one.answer("k", lambda: PREDICTION)
    answers = Answers(limit=2 * one.counts.bytes)
    for key in ("a", "b", "a", "c"):
        answers.answer(key, lambda: PREDICTION)
    answers.answer("a", never)
    answers.answer("c", never)
    assert answers.counts.bytes <= 2 * one.counts.bytes
    with pytest.raises(AssertionError):
        answers.answer("b", never)


def test_without_room_nothing_is_kept() -> None:
    answers = Answers(limit=0)
    answers.answer("k", lambda: PREDICTION)
    assert answers.counts.bytes == answers.counts.entries == 0


def test_who_asks_while_it_is_made_waits_for_it() -> None:
    answers = Answers()
    begun, go = threading.Event(), threading.Event()

    def slow() -> Prediction:
        begun.set()
        assert go.wait(60)
        return PREDICTION

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(answers.answer, "k", slow)
        assert begun.wait(60)
        second = pool.submit(answers.answer, "k", never)
        go.set()
        assert first.result(60) == PREDICTION
        assert second.result(60).result[0]["id"] != "a"


def test_who_waited_for_work_that_was_stopped_makes_it() -> None:
    answers = Answers()
    begun, go = threading.Event(), threading.Event()

    def stopped() -> Prediction:
        begun.set()
        assert go.wait(60)
        raise Cancelled("stopped")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(answers.answer, "k", stopped)
        assert begun.wait(60)
        second = pool.submit(answers.answer, "k", lambda: PREDICTION)
        go.set()
        assert isinstance(first.exception(60), Cancelled)
        assert second.result(60).score == 0.5
