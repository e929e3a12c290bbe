"""Makes hostile inputs out of good ones, the same for the same seed.

Bytes are flipped, cut, doubled, swapped and replaced by what breaks parsers; JSON is also changed
in its structure, so that it stays JSON and becomes nonsense.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

JUNK = (
    b"", b"\0", b"-1", b"0", b"1e999", b"-1e308", b"1e20", b"nan", b"NaN", b"inf", b"null", b"[]",
    b"{}", b'"', b"'", b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\x9a\x97", b"\\ud83d", b"\\u0000",
    b"99999999999", b"9" * 400, b"9" * 5000, b"0x" + b"f" * 6000, b"18446744073709551615",
    b"4611686018427387904", b"-9223372036854775808", b"2147483647", b"1_0", b"true", b"<", b"]]>",
    b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>", b"&b;", b"&amp;" * 50, b"%s%n",
    b"../../../../etc/passwd", b"/etc/passwd", b"file:///etc/passwd", b"http://127.0.0.1:9/",
    b"2001-99-99", b"!!python/object/apply:os.system ['true']", b"*a", b"&a ", b"? ", b"- - - ",
    b"\r\n", b"\n\n", b"\x1a", b"\x85", b"\xe2\x80\xa8", b"[" * 1500, b"(" * 300, b"a" * 3000,
)  # fmt: skip

_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e-320, 1e20, 1e308,
    -1e308, "", " ", "a", "\0", "\ud800", "nan", "1e999", "../../etc/passwd", "x" * 3000, [], {},
    [[]], [[], []], [0], [0, 0], [[0, 0]], [[0, 0], [1e9, 1e9], [0, 1e9]], [1e308] * 6, {"": ""},
    {"a": {"a": {"a": {}}}}, [None], [True], ["a"],
)  # fmt: skip


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to four changes of the bytes."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        data = chance.choice(_BYTE_CHANGES)(data, chance)
    return data


def mutated_json(data: bytes, chance: random.Random) -> bytes:
    """One to three changes of the structure."""
    document = json.loads(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        document = _changed(document, chance)
    return json.dumps(document).encode()


def inputs(data: bytes, chance: random.Random, *, is_json: bool) -> bytes:
    """One hostile input; JSON is changed in its structure two times of three."""
    if is_json and chance.random() < 0.67:
        try:
            return mutated_json(data, chance)
        except (ValueError, RecursionError):
            pass
    return mutated(data, chance)


def _place(data: bytes, chance: random.Random) -> int:
    return chance.randrange(len(data) + 1)


def _flipped(data: bytes, chance: random.Random) -> bytes:
    if not data:
        return data
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _extreme(data: bytes, chance: random.Random) -> bytes:
    """Fields of headers: 1, 2, 4 or 8 bytes of all ones, all zeros, or the largest of a sign."""
    width = chance.choice((1, 2, 4, 8))
    at = min(_place(data, chance), chance.choice((len(data), 64)))
    value = chance.choice((b"\xff" * width, bytes(width), b"\x7f" + b"\xff" * (width - 1)))
    return data[:at] + value + data[at + width :]


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: _place(data, chance)]


def _without(data: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + data[at + chance.choice((1, 2, 4, 17, 300)) :]


def _doubled(data: bytes, chance: random.Random) -> bytes:
    at, length = _place(data, chance), chance.choice((1, 4, 30, 300))
    return data[:at] + data[at : at + length] * chance.choice((2, 3, 50)) + data[at + length :]


def _swapped(data: bytes, chance: random.Random) -> bytes:
    one, other = sorted((_place(data, chance), _place(data, chance)))
    return data[other:] + data[one:other] + data[:one]


def _junked(data: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + chance.choice(JUNK) + data[at + chance.choice((0, 0, 1, 3, 10)) :]


def _digits_changed(data: bytes, chance: random.Random) -> bytes:
    """A number in a text becomes another kind of number."""
    places = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
    if not places:
        return _junked(data, chance)
    at = chance.choice(places)
    end = at
    while end < len(data) and 48 <= data[end] <= 57:
        end += 1
    return data[:at] + chance.choice(JUNK) + data[end:]


_BYTE_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flipped, _extreme, _extreme, _cut, _without, _doubled, _swapped, _junked, _junked,
    _digits_changed, _digits_changed,
)  # fmt: skip


def _changed(document: Any, chance: random.Random) -> Any:
    """The document with something done at one place in it."""
    holders = list(_holders(document))
    if not holders:
        return chance.choice(_VALUES)
    holder, key = chance.choice(holders)
    action = chance.randrange(6)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, list):
        holder.extend(copy.deepcopy(holder[key]) for _ in range(chance.choice((1, 3, 40))))
    elif action == 2:
        holder[key] = [holder[key]] if chance.random() < 0.5 else {"a": holder[key]}
    elif action == 3:
        other, there = chance.choice(holders)
        holder[key] = copy.deepcopy(other[there])
    else:
        holder[key] = copy.deepcopy(chance.choice(_VALUES))
    return document


def _holders(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document, as what holds it and under which key."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield document, key
            yield from _holders(value)
    elif isinstance(document, list):
        for key, value in enumerate(document):
            yield document, key
            yield from _holders(value)
