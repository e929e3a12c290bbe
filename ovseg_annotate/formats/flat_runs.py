"""Runs of equal pixels in a flat mask: what every run-length code is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError


def run_starts(flat: NDArray[np.bool_]) -> NDArray[np.int64]:
    """0 and every index whose value differs from the one before; `flat` is not empty.

    Works on 64 pixels at a time: most words of a mask hold no change, and only the others are
    looked at bit by bit.
    """
    packed = np.packbits(flat)
    filled = np.zeros(-(-len(packed) // 8) * 8, np.uint8)
    filled[: len(packed)] = packed
    words = filled.view(">u8").astype(np.uint64)
    before = words >> np.uint64(1)
    before[1:] |= words[:-1] << np.uint64(63)
    before[0] |= words[0] & np.uint64(1 << 63)  # the first pixel has none before it
    changed = words ^ before
    at = np.flatnonzero(changed)
    inside = np.flatnonzero(np.unpackbits(changed[at].astype(">u8").view(np.uint8)))
    found = inside if len(at) == len(words) else at[inside >> 6] * 64 + (inside & 63)
    # The zero bits that fill the last word may look like a change behind the end.
    return np.concatenate(([0], found[: np.searchsorted(found, flat.size)]))


def alternating_counts(flat: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Lengths of the runs of false and true in turn; the first is of false and may be 0."""
    if not flat.size:
        return np.zeros(1, np.int64)
    counts = np.diff(run_starts(flat), append=flat.size)
    return np.concatenate(([0], counts)) if flat[0] else counts


def expanded(counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """The flat mask of `alternating_counts`."""
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts)


def check_counts(counts: NDArray[np.int64], total: int, where: str) -> None:
    """Refuse counts from outside that are not those of so many pixels.

    Each is looked at by itself first: the sum of very large ones runs over and may look right.
    """
    impossible = counts[(counts < 0) | (counts > total)]
    if len(impossible):
        raise FormatError(
            f"{where}: a run length of {impossible[0]} pixels; there are {total} in all"
        )
    if int(counts.sum()) != total:
        raise FormatError(f"{where}: run lengths add up to {counts.sum()}; expected {total}")


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """Lines of pixels (rows, or columns for column-major codes) somewhere in a picture."""

    lines: NDArray[np.bool_]  # (lines, pixels of a line that are inside the box)
    first: int  # line
    offset: int  # pixel of each line at which the box begins


def counts_around(box: Box, line_length: int, line_count: int) -> NDArray[np.int64]:
    """Alternating counts of a whole picture that is false outside the box."""
    height, width = box.lines.shape
    # A column of false behind the box keeps the runs of neighbouring lines apart.
    apart = np.zeros((height, width + 1), np.bool_)
    apart[:, :-1] = box.lines
    starts, stops = _true_spans(alternating_counts(apart.reshape(-1)))
    line, place = np.divmod(starts, width + 1)
    first = (line + box.first) * line_length + place + box.offset
    last = first + stops - starts
    if len(first):
        # In a box as wide as the picture a run may go on in the next line.
        broken = first[1:] != last[:-1]
        first, last = first[np.append(True, broken)], last[np.append(broken, True)]
    counts = _counts(first, last, line_length * line_count)
    return counts[:-1] if counts[-1] == 0 else counts


def box_of_counts(counts: NDArray[np.int64], line_length: int) -> Box | None:
    """The tight box of what is true; None when nothing is. Memory grows with the box alone."""
    starts, stops = _true_spans(counts)
    starts, stops = starts[stops > starts], stops[stops > starts]
    if not len(starts):
        return None
    line, last_line = starts // line_length, (stops - 1) // line_length
    first = int(line[0])
    offset, end = int((starts % line_length).min()), int(((stops - 1) % line_length).max()) + 1
    if (line != last_line).any():  # a run that goes on in the next line touches both ends
        offset, end = 0, line_length
    shape = (int(last_line[-1]) - first + 1, end - offset)
    begins = (line - first) * shape[1] + starts % line_length - offset
    flat = expanded(_counts(begins, begins + stops - starts, shape[0] * shape[1]))
    return Box(flat.reshape(shape), first, offset)


def _true_spans(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ends = np.cumsum(counts)
    return ends[: len(ends) // 2 * 2 : 2], ends[1::2]


def _counts(starts: NDArray[np.int64], stops: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    edges = np.zeros(2 * len(starts) + 2, np.int64)
    edges[1:-1:2], edges[2:-1:2], edges[-1] = starts, stops, total
    return np.diff(edges)
