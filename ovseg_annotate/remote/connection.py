"""Requests to one server: sent again while it is busy or away, and stopped when nobody waits.

Every request here may be sent twice: uploads are named by their content, and a question changes
nothing.
"""

from __future__ import annotations

import itertools
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

import httpx2

from ovseg_annotate._version import __version__
from ovseg_annotate.bounded_answers import AnswerLimit, UnusableAnswer, received
from ovseg_annotate.errors import (
    Cancelled,
    FormatError,
    ImageError,
    OvsegError,
    ServerError,
)
from ovseg_annotate.formats.fields import parse_json
from ovseg_annotate.remote.address import Address
from ovseg_annotate.watch import Progress, Watch
from ovseg_annotate.web.retries import Patience, asked_wait
from ovseg_annotate.wire.failures import error_of

_TIMEOUT = httpx2.Timeout(600.0, connect=10.0, pool=None)
_LONGEST_BODY = 600.0  # s from its first byte to its last
_SMALL = 2**24  # bytes of JSON
_LONGEST_EVENT = 300  # bytes of one line
_DATA = b"data: "
_AT_ONCE = 16  # requests of one session
_LOOK_EVERY = 0.05  # s, whether the caller wants to stop
_TOO_LARGE = 413  # the older name of the status in httpx2 is deprecated, the newer one is new
_SHOWN = 300  # characters of an answer in an error


@dataclass(frozen=True, slots=True)
class Ask:
    """One request."""

    method: str
    path: str
    body: bytes = b""
    media_type: str = "application/octet-stream"
    accept: str = "application/json"
    most: int = _SMALL  # bytes of an answer that makes sense


Sent: TypeAlias = httpx2.Response | httpx2.RequestError


class Missing(Exception):  # noqa: N818  an answer, not a fault
    """The server does not have what a question names."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Connection:
    """Asks one server; safe to share between threads."""

    def __init__(self, address: Address, busy: Patience, away: Patience) -> None:
        self.address = address
        self._busy = busy  # how long to wait for a server that answers so
        self._away = away  # and for one that does not answer
        headers = {"User-Agent": f"ovseg-annotate/{__version__}"}
        if address.token is not None:
            headers["Authorization"] = f"Bearer {address.token}"
        # On this machine to compress takes longer than to send.
        headers["Accept-Encoding"] = "identity" if address.is_here else "gzip"
        self._client = httpx2.Client(
            headers=headers,
            timeout=_TIMEOUT,
            follow_redirects=False,  # the token goes to this server and to no other
            trust_env=not address.is_here,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=_AT_ONCE),
        )
        self._threads = ThreadPoolExecutor(_AT_ONCE, "ovseg-remote")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    def ask(self, ask: Ask, watch: Watch | None = None) -> bytes:
        """The body of the answer; raises Missing, or why there is none."""
        watch = watch or Watch()
        for attempt in itertools.count(1):
            watch.stop_if_asked("before the server was asked")
            outcome = self._watched(ask, watch)
            patience, asked = self._away, None
            if isinstance(outcome, httpx2.Response):
                if outcome.is_success:
                    return outcome.content
                if not _may_be_repeated(outcome):
                    raise self._refusal(outcome)
                patience, asked = self._busy, asked_wait(outcome)
            if attempt >= patience.attempts:
                raise self._unanswered(outcome, attempt)
            # Not a secret: it keeps many clients from coming back all at once.
            _pause(patience.wait(attempt, asked, random.random()), watch)  # noqa: S311
        raise AssertionError("unreachable: the loop above ends by itself")

    def _watched(self, ask: Ask, watch: Watch) -> Sent:
        """Send once; in a thread of its own where somebody may want to stop it."""
        name = uuid.uuid4().hex
        if watch.cancel is None and watch.progress is None:
            return self._sent(ask, name)
        sent = self._threads.submit(self._sent, ask, name)
        if watch.progress is not None and ask.method == "POST":
            self._threads.submit(self._follow, name, watch.progress, sent)
        while True:
            with suppress(TimeoutError):
                return sent.result(_LOOK_EVERY)
            if watch.cancel is not None and watch.cancel():
                self._threads.submit(self._sent, Ask("DELETE", f"/jobs/{name}"), uuid.uuid4().hex)
                raise Cancelled("stopped on request while the server was at work")

    def _sent(self, ask: Ask, name: str) -> Sent:
        headers = {"X-Request-Id": name, "Accept": ask.accept}
        if ask.body:
            headers["Content-Type"] = ask.media_type
        url = self.address.url + ask.path
        asked = self._client.build_request(ask.method, url, content=ask.body, headers=headers)
        try:
            return received(self._client, asked, AnswerLimit(ask.most, _LONGEST_BODY))
        except UnusableAnswer as error:
            raise ServerError(
                f"{self.address.url} answered {error.status} to a request for {ask.path} with "
                f"what cannot be read: {error}; look whether 'ovseg serve' runs there, of the "
                "same version"
            ) from error
        except httpx2.RequestError as error:
            return error

    def _follow(self, name: str, progress: Callable[[Progress], None], sent: Future[Sent]) -> None:
        """Pass on what the server tells of a request, as long as somebody waits for it."""
        url, plain = f"{self.address.url}/jobs/{name}/events", {"Accept-Encoding": "identity"}
        # Whatever is wrong with what is told on the way, the answer itself decides.
        with (
            suppress(httpx2.RequestError, FormatError),
            self._client.stream("GET", url, headers=plain) as events,
        ):
            for line in _lines_of(events):
                if sent.done():
                    return
                step = _step_in(line)
                if step is not None:
                    progress(step)

    def _refusal(self, answer: httpx2.Response) -> Exception:
        said = _problem_in(answer)
        if answer.status_code == httpx2.codes.NOT_FOUND:
            if answer.request.method == "HEAD":
                return Missing(answer.request.url.path)
            if "missing" in said:
                return Missing(said["missing"])
        if answer.status_code == httpx2.codes.UNAUTHORIZED:
            return ServerError(
                f"{self.address.url} wants a token, and "
                + ("none was given" if self.address.token is None else "ours is not one of its")
                + "; name its file with --server-token-file, or set OVSEG_SERVER_TOKEN"
            )
        if "kind" in said and "detail" in said:
            return error_of(said["kind"], said["detail"])
        if answer.status_code == _TOO_LARGE:
            is_picture = answer.request.url.path.startswith("/images/")
            return (ImageError if is_picture else OvsegError)(
                said.get("detail", f"too large for {self.address.url}")
            )
        detail = said.get("detail", "") or answer.content[:_SHOWN].decode("utf-8", "replace")
        return ServerError(
            f"{self.address.url} answered {answer.status_code} to a request for "
            f"{answer.request.url.path}: {detail}; look whether 'ovseg serve' runs there, of the "
            "same version"
        )

    def _unanswered(self, outcome: Sent, attempts: int) -> OvsegError:
        if isinstance(outcome, httpx2.Response):
            detail = _problem_in(outcome).get("detail", outcome.reason_phrase)
            return ServerError(f"{self.address.url} is busy: {detail} (asked {attempts} times)")
        reason = str(outcome) or type(outcome).__name__
        return ServerError(
            f"cannot reach {self.address.url} ({reason}); is 'ovseg serve' running there? "
            "The same command goes on from here"
        )


def not_ours(url: str, problem: Exception) -> ServerError:
    """The error to raise for an answer that makes no sense."""
    return ServerError(f"{url} does not answer as 'ovseg serve' of this version does: {problem}")


def _may_be_repeated(answer: httpx2.Response) -> bool:
    """Busy, loading or stopping: the server says when to come again."""
    return answer.status_code in (429, 503) and "Retry-After" in answer.headers


def _lines_of(events: httpx2.Response) -> Iterator[bytes]:
    """The lines of server-sent events; one without an end is the end of them."""
    rest = b""
    for piece in events.iter_raw():
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        if len(rest) > _LONGEST_EVENT:
            return


def _step_in(line: bytes) -> Progress | None:
    if not line.startswith(_DATA) or len(line) > _LONGEST_EVENT:
        return None
    told = parse_json(line.removeprefix(_DATA), "an event")
    if not told.value:
        return None
    return Progress(told.get("stage").text(), told.get("done").whole(), told.get("total").whole())


def _problem_in(answer: httpx2.Response) -> Mapping[str, str]:
    """What an answer says is wrong; blank words say nothing."""
    try:
        found = parse_json(answer.content, "the answer").value
    except FormatError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: text for key, text in found.items() if isinstance(text, str) and text.strip()}


def _pause(seconds: float, watch: Watch) -> None:
    """Wait; ends with Cancelled as soon as the caller wants to stop."""
    waiting = threading.Event()  # that nobody sets
    if watch.cancel is None:
        waiting.wait(seconds)
        return
    steps = max(1, round(seconds / _LOOK_EVERY))
    for _ in range(steps):
        watch.stop_if_asked("while the server was away")
        waiting.wait(seconds / steps)
