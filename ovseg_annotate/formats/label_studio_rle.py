"""Label Studio's brush code: runs of RGBA bytes packed as bits, most significant bit first.

Frame: pixels in row-major order; the code itself knows only how many bytes there are
(width x height x 4), so the size of the picture has to travel beside it.

    32 bits       bytes in all
    5 bits        bits of a value - 1 (always 7)
    4 x 4 bits    bits of a length - 1 in each of four length classes: 3, 4, 8 and 16 bits
    tokens        1 bit run or literal, 2 bits class, length - 1, then one value or all values
    padding       1 to 8 zero bits

`encode` gives the same bytes as `mask2rle` of the Label Studio SDK.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.flat_runs import alternating_counts, expanded
from ovseg_annotate.geometry import Size

MAXIMUM_PIXELS = 2**30 - 1  # the length field counts four bytes a pixel in 32 bits

_LONGEST_RUN = 1 << 16
_HEADER_BITS = 32 + 5 + 4 * 4
_HEADER_TAIL = 0b00111_0010_0011_0111_1111  # value bits and length bits, each less one
_FOREGROUND = 255
_RUN_OVERHEAD = 1 + 2 + 8  # kind, class, value
_SHORT = 256  # the longest run of the first three classes
_TOKENS_AT_ONCE = 1 << 15  # few enough to stay in the processor's cache


def encode(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> bytes:
    """Pack a mask (height, width): bool, 0/1 or 0/255; whatever is not zero is foreground."""
    if mask.ndim != 2 or not mask.size:
        raise FormatError(f"a brush needs a mask (height, width); got shape {mask.shape}")
    foreground = np.ascontiguousarray(mask).astype(np.bool_, copy=False).reshape(-1)
    return encode_counts(alternating_counts(foreground))


def encode_counts(counts: NDArray[np.int64]) -> bytes:
    """Pack runs of background and foreground in turn; the first may be 0."""
    if not 0 < int(counts.sum()) <= MAXIMUM_PIXELS:
        raise FormatError(
            f"a brush holds up to {MAXIMUM_PIXELS} pixels, got {int(counts.sum())}; "
            "use polygons for a picture of this size"
        )
    skipped = int(counts[0] == 0)
    lengths = counts[skipped:] * 4
    values = np.zeros(len(lengths), np.uint8)
    values[1 - skipped :: 2] = _FOREGROUND
    header = int(lengths.sum()) << 21 | _HEADER_TAIL
    return _packed(*_without_overlong(lengths, values), header)


def decode(rle: Sequence[int] | bytes, size: Size) -> NDArray[np.bool_]:
    """Unpack to (height, width): true where alpha is not zero. Reads literal tokens as well."""
    return expanded(decode_counts(rle, size)).reshape(size.height, size.width)


def decode_counts(rle: Sequence[int] | bytes, size: Size) -> NDArray[np.int64]:
    """Unpack to runs of background and foreground in turn; any of them may be 0."""
    data = _as_bytes(rle)
    length_bits = _checked_header(data, size)
    tokens = _tokens(data, length_bits)
    ends = np.cumsum(tokens.lengths)
    total = 4 * size.area
    if not len(ends) or ends[-1] < total:
        raise FormatError(
            f"brush data end after {int(ends[-1]) if len(ends) else 0} of {total} values; "
            "the file is truncated"
        )
    # Alpha is every fourth byte, so a token that ends at byte e has covered e // 4 pixels.
    covered = np.minimum(ends, total) // 4
    foreground = tokens.values != 0
    changes = np.flatnonzero(foreground[1:] != foreground[:-1])
    counts = np.diff(np.append(covered[changes], covered[-1]), prepend=0)
    return np.concatenate(([0], counts)) if foreground[0] else counts


def _without_overlong(
    lengths: NDArray[np.int64], values: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Cut runs longer than a token can say: full tokens first, the rest last."""
    if lengths.max() <= _LONGEST_RUN:
        return lengths, values
    pieces = -(-lengths // _LONGEST_RUN)
    last = np.cumsum(pieces) - 1
    cut = np.full(int(last[-1]) + 1, _LONGEST_RUN)
    cut[last] = lengths - (pieces - 1) * _LONGEST_RUN
    return cut, np.repeat(values, pieces)


# For every length up to 256 its length bits and the code of the token without the value.
_SHORT_BITS = np.array([0] + [3] * 8 + [4] * 8 + [8] * 240, np.uint8)
_SHORT_CODES = np.array(
    [0]
    + [
        (4 + (0 if n <= 8 else 1 if n <= 16 else 2)) << int(_SHORT_BITS[n]) | n - 1
        for n in range(1, 257)
    ],
    np.uint64,
)


def _packed(lengths: NDArray[np.int64], values: NDArray[np.uint8], header: int) -> bytes:
    """Write the header and one run token for each length."""
    bits = _SHORT_BITS[np.minimum(lengths, _SHORT)]
    bits[lengths > _SHORT] = 16
    end = _HEADER_BITS + int(bits.sum(dtype=np.int64)) + _RUN_OVERHEAD * len(bits)
    count = end // 8 + 1  # one byte more than needed where the tokens end on a byte
    out = np.zeros(-(-count // 4) + 2, np.uint32)
    top = header << (64 - _HEADER_BITS)
    out[0], out[1] = top >> 32, top & 0xFFFFFFFF
    position = _HEADER_BITS
    for first in range(0, len(lengths), _TOKENS_AT_ONCE):
        part = slice(first, first + _TOKENS_AT_ONCE)
        position = _put(out, position, lengths[part], values[part], bits[part])
    return out.astype(">u4").tobytes()[:count]


def _put(
    out: NDArray[np.uint32],
    position: int,
    lengths: NDArray[np.int64],
    values: NDArray[np.uint8],
    bits: NDArray[np.uint8],
) -> int:
    """Write run tokens from a bit on; gives the bit behind them."""
    codes = _SHORT_CODES[np.minimum(lengths, _SHORT)]
    long = lengths > _SHORT
    codes[long] = (7 << 16 | lengths[long] - 1).astype(np.uint64)
    codes = codes << np.uint64(8) | values
    sizes = bits.astype(np.int64) + _RUN_OVERHEAD
    ends = np.cumsum(sizes) + position
    starts = ends - sizes
    # A token has at most 27 bits, so it lies within the 64 bits from the 32-bit word it starts in.
    # Tokens that start in one word share no bits: their sum is their union.
    shifts = (64 - (starts & 31) - sizes).astype(np.uint64)
    word = starts >> 5
    first = np.flatnonzero(np.diff(word, prepend=-1))
    sums = np.add.reduceat(codes << shifts, first)
    out[word[first]] |= (sums >> np.uint64(32)).astype(np.uint32)
    out[word[first] + 1] |= (sums & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    return int(ends[-1])


@dataclass(frozen=True, slots=True, eq=False)
class _Tokens:
    lengths: NDArray[np.int64]  # values that each stands for; a literal token counts as many ones
    values: NDArray[np.uint8]


def _as_bytes(rle: Sequence[int] | bytes) -> bytes:
    if not isinstance(rle, (bytes, list, tuple)):
        raise FormatError(f"brush data are a list of numbers 0 to 255; got {type(rle).__name__}")
    try:
        return bytes(rle)
    except (TypeError, ValueError) as error:
        raise FormatError(f"brush data are numbers from 0 to 255: {error}") from error


def _checked_header(data: bytes, size: Size) -> tuple[int, int, int, int]:
    """Bits of a length in the four classes, if the header fits a picture of this size."""
    if not 0 < size.area <= MAXIMUM_PIXELS:
        raise FormatError(f"a brush on {size} is not possible: 1 to {MAXIMUM_PIXELS} pixels")
    if len(data) * 8 < _HEADER_BITS:
        raise FormatError(f"brush data of {len(data)} bytes are too short for a header")
    header = int.from_bytes(data[:7], "big") >> (7 * 8 - _HEADER_BITS)
    declared = header >> 21
    if declared != 4 * size.area:
        raise FormatError(
            f"brush data declare {declared} values; {size} needs {4 * size.area}: "
            "original_width and original_height do not belong to these data"
        )
    value_bits = (header >> 16 & 31) + 1
    if value_bits != 8:
        raise FormatError(f"brush data with {value_bits}-bit values; only 8-bit ones exist here")
    first, second, third, fourth = ((header >> shift & 15) + 1 for shift in (12, 8, 4, 0))
    return first, second, third, fourth


def _tokens(data: bytes, length_bits: tuple[int, int, int, int]) -> _Tokens:
    """All complete tokens, and bits behind them that happen to look like some."""
    positions = _token_positions(data, length_bits)
    window = _Window(data)
    kinds = window.bits(positions, 3)
    width = np.array(length_bits, np.int64)[kinds & 3]
    lengths = (window.bits(positions + 3, 16) >> (16 - width)) + 1
    payload = positions + 3 + width
    runs = kinds >= 4
    if runs.all():
        return _Tokens(lengths, window.bits(payload, 8).astype(np.uint8))
    copies = np.where(runs, 1, lengths)  # values that stand in the data for each token
    owner_start = np.repeat(np.cumsum(copies) - copies, copies)
    place = np.arange(len(owner_start)) - owner_start
    values = window.bits(np.repeat(payload, copies) + 8 * place, 8).astype(np.uint8)
    return _Tokens(np.repeat(np.where(runs, lengths, 1), copies), values)


def _token_positions(data: bytes, length_bits: tuple[int, int, int, int]) -> NDArray[np.int64]:
    """The bit at which each token starts.

    Where a token starts depends on all before it, so this walk is the one serial step; a table
    of run lengths for every bit keeps it to an addition a token.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    kind = bits[:-2] << 2 | bits[1:-1] << 1 | bits[2:]
    run_sizes = [0, 0, 0, 0, *(size + _RUN_OVERHEAD for size in length_bits)]
    sizes = np.array(run_sizes, np.uint8)[kind].tobytes()
    kinds = kind.tobytes()
    end = len(bits)
    positions: list[int] = []
    position = _HEADER_BITS
    last = end - min(length_bits) - _RUN_OVERHEAD  # no token is shorter
    while position <= last:
        step = sizes[position]
        if not step:  # a literal token: its own length says how long it is
            size = length_bits[kinds[position]]
            step = 3 + size + 8 * (_bits_at(data, position + 3, size) + 1)
        if position + step > end:
            break
        positions.append(position)
        position += step
    return np.array(positions, np.int64)


def _bits_at(data: bytes, position: int, count: int) -> int:
    start = position >> 3
    word = int.from_bytes(data[start : start + 4].ljust(4, b"\0"), "big")
    return word >> (32 - (position & 7) - count) & ((1 << count) - 1)


class _Window:
    """Reads up to 16 bits at any bit positions at once."""

    def __init__(self, data: bytes) -> None:
        padded = np.frombuffer(data + bytes(4), np.uint8).astype(np.int64)
        self._words = padded[:-2] << 16 | padded[1:-1] << 8 | padded[2:]  # 24 bits from each byte

    def bits(self, positions: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        shift = 24 - count - (positions & 7)
        found: NDArray[np.int64] = self._words[positions >> 3] >> shift & ((1 << count) - 1)
        return found
