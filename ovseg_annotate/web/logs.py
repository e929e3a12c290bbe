"""What the server writes on stderr: one line each, never a secret."""

from __future__ import annotations

import logging
from collections.abc import Iterable

_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# They would write whole addresses, and those of buckets are signed.
_TOO_TALKATIVE = ("httpx2", "httpcore2", "uvicorn.access")


class RedactingFormatter(logging.Formatter):
    """Puts *** in the place of known secrets, also inside tracebacks."""

    def __init__(self, line: str, secrets: Iterable[str]) -> None:
        super().__init__(line)
        # The longest first: one secret may be part of another.
        self._secrets = sorted(filter(None, set(secrets)), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def configure_logging(secrets: Iterable[str], level: int = logging.INFO) -> None:
    """Send the log of the process to stderr; for programs, not for tests or libraries."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter(_LINE, secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
