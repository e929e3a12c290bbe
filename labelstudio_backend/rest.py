"""Requests to Label Studio's REST API, sent again while the server is busy or away."""

from __future__ import annotations

import itertools
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping

import httpx2

from labelstudio_backend.tokens import TokenError, Tokens
from ovseg_annotate.bounded_answers import AnswerLimit, UnusableAnswer, received
from ovseg_annotate.errors import FormatError, OvsegError
from ovseg_annotate.formats.fields import Field, parse_json
from ovseg_annotate.plain_data import json_value
from ovseg_annotate.web.retries import Patience, asked_wait, is_busy, was_not_taken

_TIMEOUT = httpx2.Timeout(60.0, connect=10.0)
_TAG = re.compile(r"<[^>]*>")
_LARGEST = 64 * 2**20  # bytes of an answer; a page of 100 tasks has a few of them a task
_SHOWN = 500  # characters of an answer in an error


class LabelStudioError(OvsegError):
    """Label Studio refused, or did not answer in a way that helps."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status  # HTTP; None: there was no answer


class UnknownOutcomeError(LabelStudioError):
    """A request that creates something was sent, and nobody knows whether it did."""


class RestClient:
    """Sends JSON to one server as one user; safe to share between threads."""

    def __init__(
        self,
        url: str,
        tokens: Tokens,
        patience: Patience | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._tokens = tokens
        self._patience = patience or Patience()
        self._pause = pause
        self._client = httpx2.Client(timeout=_TIMEOUT)

    def close(self) -> None:
        self._client.close()

    def get(self, path: str, **query: object) -> Field:
        params = {name: str(value) for name, value in query.items()}
        return self._send(httpx2.Request("GET", self.url + path, params=params))

    def post(self, path: str, body: Mapping[str, object]) -> Field:
        """Create something; raises UnknownOutcomeError when it may or may not exist now."""
        return self._send(httpx2.Request("POST", self.url + path, json=body))

    def patch(self, path: str, body: Mapping[str, object]) -> Field:
        return self._send(httpx2.Request("PATCH", self.url + path, json=body))

    def _send(self, request: httpx2.Request) -> Field:
        """Send until there is an answer; a POST only as long as it surely was not taken."""
        was_renewed = False
        for attempt in itertools.count(1):
            outcome = self._once(request)
            if isinstance(outcome, httpx2.Response):
                if outcome.is_success:
                    return _answer(outcome, request)
                if outcome.status_code == httpx2.codes.UNAUTHORIZED and not was_renewed:
                    was_renewed = True
                    self._tokens.renew()
                    continue
                if not is_busy(outcome.status_code):
                    raise self._refusal(request, outcome)
            if request.method == "POST" and not was_not_taken(outcome):
                raise UnknownOutcomeError(
                    f"{self._said(request, outcome)}; it may or may not have been done"
                )
            if attempt >= self._patience.attempts:
                raise LabelStudioError(
                    f"{self._said(request, outcome)}, {attempt} times; look whether Label Studio "
                    "runs, then give the command again: it goes on from here"
                )
            asked = asked_wait(outcome) if isinstance(outcome, httpx2.Response) else None
            # Not a secret: it keeps many clients from coming back all at once.
            self._pause(self._patience.wait(attempt, asked, random.random()))  # noqa: S311
        raise AssertionError("unreachable: the loop above ends by itself")

    def _once(self, request: httpx2.Request) -> httpx2.Response | httpx2.TransportError:
        try:
            request.headers["Authorization"] = self._tokens.header()
            return self._received(request)
        except httpx2.TransportError as error:
            return error
        except TokenError as error:
            if isinstance(error.__cause__, httpx2.TransportError):
                return error.__cause__  # the server is away, not the token wrong
            raise

    def _received(self, request: httpx2.Request) -> httpx2.Response:
        """The whole answer, unless it has no end in time or in size; unpacked it counts, too."""
        try:
            return received(
                self._client, request, AnswerLimit(_LARGEST, self._patience.longest_answer)
            )
        except UnusableAnswer as error:
            raise LabelStudioError(
                f"{self.url} answered {error.status} to {request.method} {request.url.path} with "
                f"what cannot be read: {error}; is {request.url.host} a Label Studio server?",
                error.status,
            ) from error

    def _refusal(self, request: httpx2.Request, response: httpx2.Response) -> LabelStudioError:
        said = f"{self._said(request, response)}: {_shown(response)}"
        if response.is_redirect:
            target = response.headers.get("Location", "another address")
            said = f"{self.url} redirects to {target}; give that server's own address as --url"
        elif response.status_code in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
            said += (
                ". Check LABEL_STUDIO_API_KEY: it takes a personal access token (Account & "
                "Settings in Label Studio) of somebody who may change this project"
            )
        return LabelStudioError(said, response.status_code)

    def _said(
        self, request: httpx2.Request, outcome: httpx2.Response | httpx2.TransportError
    ) -> str:
        asked = f"{request.method} {request.url.path}"
        if isinstance(outcome, httpx2.Response):
            return f"{self.url} answered {outcome.status_code} to {asked}"
        return f"{self.url} did not answer {asked} ({str(outcome) or type(outcome).__name__})"


def _answer(response: httpx2.Response, request: httpx2.Request) -> Field:
    what = f"the answer to {request.method} {request.url.path}"
    try:
        return parse_json(response.content or b"null", what)
    except FormatError as error:
        raise LabelStudioError(
            f"{what} is no JSON; is {request.url.host} a Label Studio server?",
            response.status_code,
        ) from error


def _shown(response: httpx2.Response) -> str:
    """What the server says is wrong, without what surrounds it."""
    try:
        texts = list(_texts(json_value(response.content)))
    except ValueError:
        texts = [response.text]
    text = " ".join(_TAG.sub("", " ".join(texts)).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _texts(answer: object) -> Iterator[str]:
    """The reasons in an answer: a detail, and errors by field, as deep as they are."""
    if isinstance(answer, str):
        yield answer
    elif isinstance(answer, list):
        for each in answer:
            yield from _texts(each)
    elif isinstance(answer, dict):
        reasons = answer.get("validation_errors") or answer.get("detail")
        for each in [reasons] if reasons else answer.values():
            yield from _texts(each)
