"""Who may ask what: decided from the headers, before anything else of a request is read."""

from __future__ import annotations

import base64
import binascii
import hmac

from starlette.datastructures import Headers

from labelstudio_backend.settings import Settings

WEBHOOK_HEADER = "X-Webhook-Token"
_OPEN = frozenset({"/", "/health"})  # for probes that know no password
_WEBHOOK = "/webhook"


class Guard:
    """Basic auth for everything but liveness, a secret header for webhooks."""

    challenge = 'Basic realm="ovseg-annotate", charset="UTF-8"'
    advice = (
        "a user and a password are needed; in Label Studio, connect the backend with basic "
        "authentication, and give its webhook the secret header"
    )

    def __init__(self, settings: Settings) -> None:
        self._credentials: bytes | None = None
        if settings.basic_auth_user is not None:
            pair = f"{settings.basic_auth_user}:{settings.basic_auth_pass}"
            self._credentials = pair.encode()
        token = settings.webhook_token
        self._webhook_token = None if token is None else token.encode()

    def admits(self, path: str, headers: Headers) -> bool:
        """Whether this request may go on."""
        return path in _OPEN or self.knows(headers) or self._is_webhook(path, headers)

    def knows(self, headers: Headers) -> bool:
        """Whether it comes from somebody with the password, or none is demanded."""
        if self._credentials is None:
            return True
        kind, _, coded = headers.get("Authorization", "").partition(" ")
        if kind.casefold() != "basic":
            return False
        try:
            given = base64.b64decode(coded.strip(), validate=True)
        except (binascii.Error, ValueError):  # the latter for characters that are not ASCII
            return False
        return hmac.compare_digest(given, self._credentials)

    def _is_webhook(self, path: str, headers: Headers) -> bool:
        """Label Studio sends its webhooks without the password of the backend."""
        if path != _WEBHOOK or self._webhook_token is None:
            return False
        # Header bytes reach us as Latin-1; what was sent is compared, whatever it is.
        given = headers.get(WEBHOOK_HEADER, "").encode("latin-1")
        return hmac.compare_digest(given, self._webhook_token)
