"""What is text, and paths as text: a file may be named in Latin-1 on a disk of today."""

from __future__ import annotations

import re
from urllib.parse import quote

_LONE = re.compile("[\ud800-\udfff]")  # what Python makes of a byte that is no UTF-8
_BYTES = range(0xDC80, 0xDD00)


def is_text(word: str) -> bool:
    """Whether it can be written and encoded."""
    return _LONE.search(word) is None


def readable(path: str) -> str:
    """The path with such bytes as addresses have them, caf%E9.png; it can be written anywhere."""
    return path if path.isascii() else _LONE.sub(_quoted, path)


def _quoted(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code in _BYTES:
        return quote(bytes([code - 0xDC00]))
    return quote(found[0].encode("utf-8", "surrogatepass"))
