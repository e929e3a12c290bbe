"""Arrays with what they mean, as one piece of bytes in the safetensors format. Imports no torch.

Eight bytes little-endian with the length of a JSON header, the header, the arrays behind one
another. The header holds `__metadata__`, texts by name with the kind of packet under `ovseg`, and
dtype, shape and place of each array. Any library that reads safetensors reads a packet; here a
header that lies is an error with a name, before anything is made of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.fields import Field, parse_json

MEDIA_TYPE = "application/vnd.ovseg.safetensors"

_LENGTH = 8  # bytes in front of the header
_LONGEST_HEADER = 2**24  # bytes: a vocabulary as long as there can be
_DTYPES = {"BOOL": "?", "U8": "u1", "U16": "<u2", "F16": "<f2", "F32": "<f4"}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Packet:
    """What was packed, not yet checked for what it has to hold."""

    texts: Mapping[str, str]
    arrays: Mapping[str, NDArray[Any]]
    where: str  # for errors

    def text(self, name: str) -> str:
        if name not in self.texts:
            raise FormatError(f"{self.where}: the text {name!r} is missing")
        return self.texts[name]

    def field(self, name: str) -> Field:
        """A text that is JSON."""
        return parse_json(self.text(name), f"{self.where}: {name}")

    def array(self, name: str, dtype: DTypeLike, dimensions: int) -> NDArray[Any]:
        if name not in self.arrays:
            raise FormatError(f"{self.where}: the array {name!r} is missing")
        array = self.arrays[name]
        if array.dtype != dtype or array.ndim != dimensions:
            raise FormatError(
                f"{self.where}: the array {name!r} is {array.dtype} of {array.ndim} dimensions, "
                f"expected {np.dtype(dtype)} of {dimensions}"
            )
        return array


def packed(kind: str, texts: Mapping[str, str], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """One packet; equal content gives equal bytes."""
    header: dict[str, object] = {"__metadata__": {"ovseg": kind, **texts}}
    pieces, place = [], 0
    for name, array in arrays.items():
        whole = np.ascontiguousarray(array)
        header[name] = {
            "dtype": _NAMES[whole.dtype],
            "shape": list(array.shape),  # numpy makes single numbers arrays of one
            "data_offsets": [place, place + whole.nbytes],
        }
        pieces.append(whole.reshape(-1).view(np.uint8).data)
        place += whole.nbytes
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)  # arrays begin at a multiple of eight
    return b"".join((len(text).to_bytes(_LENGTH, "little"), text, *pieces))


def is_packet(data: bytes, kind: str) -> bool:
    """Whether data begin as `packed` lets a packet of this kind begin."""
    return data.startswith(f'{{"__metadata__":{{"ovseg":"{kind}"'.encode(), _LENGTH)


def unpacked(data: bytes, kind: str, where: str) -> Packet:
    """Read what `packed` gave; arrays are copies that may be written to."""
    length = int.from_bytes(data[:_LENGTH], "little")
    if len(data) < _LENGTH or length > min(_LONGEST_HEADER, len(data) - _LENGTH):
        raise FormatError(f"{where}: this is no packet, or it is cut off")
    header = parse_json(data[_LENGTH : _LENGTH + length], where)
    if not isinstance(header.value, dict):
        raise header.wrong("an object {...}")
    texts = header.get("__metadata__").value
    if not isinstance(texts, dict) or not all(isinstance(each, str) for each in texts.values()):
        raise header.get("__metadata__").wrong("texts by name")
    if texts.get("ovseg") != kind:
        got = texts.get("ovseg")
        raise FormatError(f"{where}: expected a packet of kind {kind!r}, got {got!r}")
    listed = [name for name in header.value if name != "__metadata__"]
    arrays = dict(_arrays(header, listed, memoryview(data)[_LENGTH + length :]))
    return Packet(texts, arrays, where)


def _arrays(
    header: Field, names: list[str], content: memoryview
) -> Iterator[tuple[str, NDArray[Any]]]:
    place = 0
    for name in names:
        field = header.get(name)
        code = _DTYPES.get(field.get("dtype").text())
        if code is None:
            raise field.get("dtype").wrong(f"one of {', '.join(_DTYPES)}")
        shape = tuple(item.whole() for item in field.get("shape").items())
        size = math.prod(shape) * np.dtype(code).itemsize
        offsets = [item.whole() for item in field.get("data_offsets").items()]
        if len(shape) > 4 or offsets != [place, place + size] or place + size > len(content):
            raise field.wrong(f"an array of at most 4 dimensions at byte {place} of the content")
        raw = content[place : place + size]
        if code == "?" and size and int(np.frombuffer(raw, np.uint8).max()) > 1:
            raise field.wrong("an array of 0 and 1")
        yield name, np.frombuffer(raw, code).reshape(shape).copy()
        place += size
    if place != len(content):
        raise FormatError(f"{header.where}: {len(content) - place} bytes too many")
