"""Who the backend is to Label Studio: a personal access token, exchanged and renewed."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from ovseg_annotate.bounded_answers import AnswerLimit, received
from ovseg_annotate.errors import OvsegError
from ovseg_annotate.plain_data import json_value

_REFRESH = "/api/token/refresh/"
_USUAL_LIFE = 300.0  # seconds, as Label Studio sets it
_MARGIN = 45.0  # seconds before its end an access token is renewed
_TIMEOUT = httpx2.Timeout(15.0, connect=5.0)
_LIMIT = AnswerLimit(bytes=2**20, seconds=15.0)


class TokenError(OvsegError):
    """Label Studio does not take the token, or there is none."""


@dataclass(frozen=True, slots=True)
class _Access:
    """A short-lived token."""

    header: str
    renew_at: float  # on the clock of `Tokens`


class Tokens:
    """Gives the Authorization header for one Label Studio server; safe to share between threads.

    Whoever sends the header must send it to that server only.
    """

    def __init__(
        self, url: str, key: str | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._clock = clock
        self._access: _Access | None = None
        self._lock = threading.Lock()  # held while renewing: one exchange serves all threads
        self._client = httpx2.Client(timeout=_TIMEOUT)

    def header(self) -> str:
        """The value of the Authorization header, renewed when it is about to expire."""
        if self._key is None:
            raise TokenError(
                "LABEL_STUDIO_API_KEY is not set; make a personal access token in Label Studio "
                "under Account & Settings, set it and start again"
            )
        if self._key.count(".") != 2:  # not a JWT: a token of the older kind, used as it is
            return f"Token {self._key}"
        with self._lock:
            if self._access is None or self._clock() >= self._access.renew_at:
                self._access = self._exchanged(self._key)
            return self._access.header

    def renew(self) -> None:
        """The server took the last one for invalid."""
        with self._lock:
            self._access = None

    def close(self) -> None:
        self._client.close()

    def _exchanged(self, key: str) -> _Access:
        asked_at = self._clock()
        try:
            asked = httpx2.Request("POST", self._url + _REFRESH, json={"refresh": key})
            response = received(self._client, asked, _LIMIT)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise TokenError(
                f"{self._url} did not answer when the token was to be renewed "
                f"({type(error).__name__}); look whether Label Studio runs there"
            ) from error
        if response.status_code in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            raise TokenError(
                f"{self._url} does not take the token in LABEL_STUDIO_API_KEY; it may be revoked "
                "or of another server: make a personal access token there under Account & Settings"
            )
        access = _access_in(response)
        if access is None:
            raise TokenError(
                f"{self._url}{_REFRESH} answered {response.status_code} without an access token; "
                "look whether LABEL_STUDIO_URL is the address of a Label Studio server"
            )
        life = _life_of(access)
        return _Access(f"Bearer {access}", asked_at + max(life - _MARGIN, life / 2))


def _access_in(response: httpx2.Response) -> str | None:
    """The token of an answer, if it can be one: it becomes part of a header."""
    if not response.is_success:
        return None
    try:
        access = json_value(response.content)["access"]
    except (ValueError, TypeError, KeyError):
        return None
    usable = isinstance(access, str) and access.isascii() and access.isprintable() and access
    return access if usable and " " not in access else None


def _life_of(access: str) -> float:
    """Seconds from issue to expiry, which do not depend on whether two clocks agree."""
    try:
        middle = access.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        life = float(claims["exp"]) - float(claims["iat"])
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return _USUAL_LIFE
    return life if 0 < life <= 24 * 3600 else _USUAL_LIFE
