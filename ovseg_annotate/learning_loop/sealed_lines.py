"""Lines of JSON that each carry the sha256 of themselves, so that damage never passes for data.

{"sha256":"<64 hexadecimal digits>","entry":{...}}
"""

from __future__ import annotations

import hashlib

_START, _MIDDLE, _END = b'{"sha256":"', b'","entry":', b"}\n"
_FIRST = len(_START)
_DIGITS = 64
_ENTRY = _FIRST + _DIGITS + len(_MIDDLE)


def sealed(entry: bytes) -> bytes:
    """The line of an entry, itself one line of JSON."""
    digest = hashlib.sha256(entry).hexdigest().encode("ascii")
    return b"".join((_START, digest, _MIDDLE, entry, _END))


def unsealed(line: bytes) -> bytes | None:
    """The entry of a line; None when the line is not as it was written."""
    if not line.endswith(_END):
        return None
    entry = line[_ENTRY : -len(_END)]
    return entry if sealed(entry) == line else None
