"""The brush code: known bytes, any mask there and back, and what must be refused."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.label_studio_rle import decode, encode, encode_counts
from ovseg_annotate.geometry import Size

masks = arrays.arrays(np.bool_, st.tuples(st.integers(1, 70), st.integers(1, 70)))

EMPTY_300 = (
    "0 5 126 64 57 27 255 255 255 0 255 255 224 31 255 252 3 255 255 128 127 255 240 14 252 126 0"
)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ([[1]], "0 0 0 4 57 27 252 127 224"),
        ([[0]], "0 0 0 4 57 27 252 96 0"),
        ([[0, 1, 1], [0, 0, 0]], "0 0 0 24 57 27 252 96 19 255 219 0 0"),
        ([[0] * 40, [1] * 40], "0 0 1 64 57 27 254 159 0 211 255 224"),
        (np.zeros((300, 300), int), EMPTY_300),
    ],
    ids=["one", "none", "three runs", "two rows", "long run"],
)
def test_known_masks_give_known_bytes(mask: object, expected: str) -> None:
    assert " ".join(map(str, encode(np.array(mask, np.uint8)))) == expected


@settings(deadline=None)
@given(masks)
def test_every_mask_comes_back(mask: NDArray[np.bool_]) -> None:
    np.testing.assert_array_equal(decode(list(encode(mask)), Size(*mask.shape)), mask)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999, 1.0])
def test_masks_of_many_words_come_back(share: float) -> None:
    mask = np.random.default_rng(7).random((517, 389)) < share
    np.testing.assert_array_equal(decode(encode(mask), Size(517, 389)), mask)


@settings(deadline=None)
@given(masks)
def test_bool_and_both_kinds_of_bytes_are_one(mask: NDArray[np.bool_]) -> None:
    assert encode(mask) == encode(mask.astype(np.uint8)) == encode(mask.astype(np.uint8) * 255)


@settings(deadline=None)
@given(masks)
def test_the_order_in_memory_does_not_matter(mask: NDArray[np.bool_]) -> None:
    assert encode(np.asfortranarray(mask)) == encode(mask)


@pytest.mark.parametrize("pixels", [16384, 16385, 32768, 40000])
def test_a_run_is_cut_only_where_a_token_ends(pixels: int) -> None:
    mask = np.ones((1, pixels), bool)
    tokens = -(-pixels // 16384)
    bits = 53 + 27 * (tokens - 1) + (27 if (pixels % 16384 or 16384) * 4 > 256 else 19)
    if pixels == 16385:
        bits = 53 + 27 + 14  # the rest is 4 values: the shortest class
    assert len(encode(mask)) == bits // 8 + 1
    np.testing.assert_array_equal(decode(encode(mask), Size(1, pixels)), mask)


class BitWriter:
    """A plain encoder for tokens that ours never writes."""

    def __init__(self, values: int, sizes: tuple[int, ...] = (3, 4, 8, 16)) -> None:
        self._sizes = sizes
        self._bits = f"{values:032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in sizes)

    def run(self, kind: int, count: int, value: int) -> BitWriter:
        self._bits += f"1{kind:02b}{count - 1:0{self._sizes[kind]}b}{value:08b}"
        return self

    def literal(self, kind: int, values: list[int]) -> BitWriter:
        self._bits += f"0{kind:02b}{len(values) - 1:0{self._sizes[kind]}b}"
        self._bits += "".join(f"{value:08b}" for value in values)
        return self

    def bytes(self) -> list[int]:
        padded = self._bits + "0" * (8 - len(self._bits) % 8)
        return [int(padded[at : at + 8], 2) for at in range(0, len(padded), 8)]


def test_literal_tokens_are_read() -> None:
    rgba = [9, 8, 7, 0, 9, 8, 7, 200, 9, 8, 7, 0]
    data = (
        BitWriter(24)
        .literal(1, rgba)
        .run(0, 3, 50)
        .run(0, 2, 60)
        .literal(0, [1, 0, 0])
        .run(0, 4, 0)
    )
    #     bytes 12-14: 50, 15-16: 60, 17: 1, 18-19: 0, 20-23: 0; alpha is byte 3, 7, 11, 15, 19, 23
    expected = [[False, True, False], [True, False, False]]
    np.testing.assert_array_equal(decode(data.bytes(), Size(2, 3)), expected)


@settings(deadline=None)
@given(st.lists(st.integers(0, 255), min_size=4, max_size=400), st.data())
def test_any_mixture_of_tokens_is_read(values: list[int], data: st.DataObject) -> None:
    values = values[: len(values) // 4 * 4]
    sizes = data.draw(st.tuples(*[st.integers(1, 16)] * 4))
    writer, at = BitWriter(len(values), sizes), 0
    while at < len(values):
        kind = data.draw(st.integers(0, 3))
        count = data.draw(st.integers(1, min(2 ** sizes[kind], len(values) - at)))
        piece = values[at : at + count]
        if len(set(piece)) == 1 and data.draw(st.booleans()):
            writer.run(kind, count, piece[0])
        else:
            writer.literal(kind, piece)
        at += count
    expected = np.array(values).reshape(1, -1, 4)[:, :, 3] > 0
    np.testing.assert_array_equal(decode(writer.bytes(), Size(1, len(values) // 4)), expected)


def test_a_mask_of_ones_decodes_as_foreground() -> None:
    data = BitWriter(8).run(0, 4, 1).run(0, 4, 0).bytes()
    np.testing.assert_array_equal(decode(data, Size(1, 2)), [[True, False]])


def test_bytes_behind_the_last_value_do_not_count() -> None:
    assert decode([*encode(np.ones((3, 3), bool)), 0, 255, 17], Size(3, 3)).all()


def test_another_size_is_refused_with_both_numbers() -> None:
    with pytest.raises(FormatError, match=r"36 values.*4 x 3 px needs 48.*original_width"):
        decode(encode(np.ones((3, 3), bool)), Size(height=3, width=4))


def test_truncated_data_are_refused() -> None:
    data = encode(np.eye(40, dtype=bool))
    for end in range(len(data) - 2):
        with pytest.raises(FormatError, match=r"too short|truncated"):
            decode(data[:end], Size(40, 40))


def test_a_hostile_length_is_refused_at_once() -> None:
    size = Size(30_000, 30_000)
    data = (4 * size.area).to_bytes(4, "big") + encode(np.ones((1, 1), bool))[4:]
    begin = time.perf_counter()
    with pytest.raises(FormatError, match="truncated"):
        decode(data, size)
    assert time.perf_counter() - begin < 0.5  # filling the declared pixels takes longer


@pytest.mark.parametrize("data", [[256], [-1], ["a"], [1.5], "AAAA", 7, None, [None]])
def test_what_are_no_bytes_is_refused(data: object) -> None:
    with pytest.raises(FormatError, match="numbers"):
        decode(data, Size(1, 1))  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_any_bytes_decode_or_are_refused(
    data: bytes, height: int, width: int, whole_header: bool
) -> None:
    if whole_header:
        data = (4 * height * width).to_bytes(4, "big") + bytes([57, 27, 255]) + data
    try:
        mask = decode(data, Size(height, width))
    except FormatError:
        return
    assert mask.shape == (height, width)


@pytest.mark.parametrize("shape", [(0, 4), (4,), (2, 3, 4)])
def test_what_is_no_mask_is_not_encoded(shape: tuple[int, ...]) -> None:
    with pytest.raises(FormatError, match="height, width"):
        encode(np.zeros(shape, bool))


def test_a_picture_too_large_for_the_length_field_is_refused() -> None:
    with pytest.raises(FormatError, match="use polygons"):
        encode_counts(np.array([2**30, 5]))
