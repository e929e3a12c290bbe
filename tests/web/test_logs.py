from __future__ import annotations

import logging
import sys

from ovseg_annotate.web.logs import RedactingFormatter


def record(message: str, *parts: object, error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("x", logging.INFO, __file__, 1, message, parts, info)


def test_a_secret_is_not_written_wherever_it_stands() -> None:
    formatter = RedactingFormatter("%(message)s", ["pass", "password", ""])
    assert formatter.format(record("a %s b", "password")) == "a *** b"
    try:
        raise ValueError("with pass inside")
    except ValueError:
        written = formatter.format(record("failed", error=sys.exception()))
    assert "with *** inside" in written
    assert "pass" not in written
