"""When a request is sent again, and how long to wait first."""

from __future__ import annotations

import email.utils
import time
from dataclasses import dataclass

import httpx2

_BUSY = frozenset({429, 500, 502, 503, 504})
_NOT_TAKEN = frozenset({429})  # the server says that it did nothing

# The request never left, so that even one that creates something can be sent again.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to wait for a server that is busy or away."""

    attempts: int = 7  # the first one included
    first_wait: float = 0.5  # s before the second attempt; each later wait is twice as long
    longest_wait: float = 30.0  # s between two attempts, unless the server asks for more
    longest_asked: float = 120.0  # s that a server may ask for in Retry-After
    longest_answer: float = 180.0  # s that one answer may take to arrive, however it drips

    def wait(self, attempt: int, asked: float | None, chance: float) -> float:
        """Seconds after attempt number `attempt` (from 1); `chance` from 0 to 1 spreads clients."""
        grown = min(self.longest_wait, self.first_wait * 2.0 ** (attempt - 1))
        spread = grown * (0.5 + 0.5 * chance)
        return spread if asked is None else max(spread, min(asked, self.longest_asked))


def is_busy(status: int) -> bool:
    """An answer after which the same request may succeed later."""
    return status in _BUSY


def was_not_taken(problem: httpx2.TransportError | httpx2.Response) -> bool:
    """Whether the server surely did nothing, so that a request that creates may be repeated."""
    if isinstance(problem, httpx2.Response):
        return problem.status_code in _NOT_TAKEN
    return isinstance(problem, _NOT_SENT)


def asked_wait(response: httpx2.Response) -> float | None:
    """The seconds of Retry-After, given as a number or as a date; None when there are none.

    A date is compared with the server's own clock: this one may be wrong, or jump.
    """
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    until, now = _date(text), _date(response.headers.get("Date", ""))
    if until is None:
        return None
    return max(0.0, until - (time.time() if now is None else now))


def _date(text: str) -> float | None:
    """Seconds since 1970 of a date as HTTP writes it."""
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
