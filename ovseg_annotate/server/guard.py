"""Who may ask, and who is who."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.requests import Request

from ovseg_annotate.errors import OptionError
from ovseg_annotate.web.addresses import is_loopback

_OPEN = frozenset({"/health"})  # for probes that know no token


class BearerGuard:
    """A bearer token for everything but liveness; implements `web.envelope.Guard`."""

    challenge = 'Bearer realm="ovseg-annotate"'
    advice = (
        "a token is needed: send it as 'Authorization: Bearer ...'; it stands in the file that "
        "the server was given as --token-file"
    )

    def __init__(self, tokens: Sequence[str], host: str) -> None:
        if not tokens and not is_loopback(host):
            raise OptionError(
                f"host {host!r} can be reached from other machines, and no token is asked for; "
                "name a file of tokens with --token-file, or listen on 127.0.0.1"
            )
        self._tokens = tuple(token.encode() for token in tokens)

    def admits(self, path: str, headers: Headers) -> bool:
        return path in _OPEN or not self._tokens or self._token_in(headers) is not None

    def client_of(self, request: Request) -> str:
        """One name for each token, or where there is none, for each address."""
        token = self._token_in(request.headers)
        if token is not None:
            return hashlib.sha256(token).hexdigest()[:16]
        return "" if request.client is None else request.client.host

    def _token_in(self, headers: Headers) -> bytes | None:
        kind, _, given = headers.get("Authorization", "").partition(" ")
        if kind.casefold() != "bearer":
            return None
        sent = given.strip().encode("latin-1")
        # Every token is compared, each in constant time: how long it takes tells nothing.
        found = [token for token in self._tokens if hmac.compare_digest(sent, token)]
        return found[0] if found else None
