from __future__ import annotations

import email.utils
import time

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.web.retries import Patience, asked_wait, is_busy, was_not_taken


@given(attempt=st.integers(1, 60), chance=st.floats(0, 1))
def test_a_wait_grows_up_to_its_limit_and_is_never_nothing(attempt: int, chance: float) -> None:
    patience = Patience(first_wait=0.5, longest_wait=30.0)
    grown = min(30.0, 0.5 * 2.0 ** (attempt - 1))
    assert grown / 2 <= patience.wait(attempt, None, chance) <= grown


def test_two_clients_do_not_come_back_at_the_same_moment() -> None:
    assert Patience().wait(3, None, 0.1) != Patience().wait(3, None, 0.9)


@given(asked=st.floats(0, 1e9), chance=st.floats(0, 1))
def test_a_server_that_asks_for_time_gets_it_within_reason(asked: float, chance: float) -> None:
    waited = Patience(longest_asked=120.0).wait(1, asked, chance)
    assert waited >= min(asked, 120.0)
    assert waited <= 120.0


def response(status: int, retry_after: str | None = None) -> httpx2.Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx2.Response(status, headers=headers)


def test_seconds_and_dates_are_understood() -> None:
    later = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert asked_wait(response(429, "7")) == 7
    assert asked_wait(response(503, later)) == pytest.approx(60, abs=2)


@given(text=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126)))
def test_any_other_text_is_no_wish_or_a_wait_that_is_not_negative(text: str) -> None:
    asked = asked_wait(response(429, text))
    assert asked is None or asked >= 0


def test_only_answers_that_may_change_are_asked_for_again() -> None:
    assert [status for status in range(200, 600) if is_busy(status)] == [429, 500, 502, 503, 504]


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (httpx2.ConnectError("refused"), True),
        (httpx2.ConnectTimeout("slow"), True),
        (response(429), True),
        (httpx2.ReadTimeout("slow"), False),
        (httpx2.RemoteProtocolError("cut"), False),
        (response(500), False),
        (response(504), False),
    ],
)
def test_only_what_never_reached_the_server_is_known_not_to_be_done(
    problem: httpx2.TransportError | httpx2.Response, expected: bool
) -> None:
    assert was_not_taken(problem) is expected
