from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load

from ovseg_annotate.errors import FormatError
from ovseg_annotate.wire.packets import is_packet, packed, unpacked

ARRAYS = st.dictionaries(
    st.text("abc", min_size=1, max_size=4),
    hnp.arrays(
        st.sampled_from([np.bool_, np.uint8, np.uint16, np.float16, np.float32]),
        hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
    ),
    max_size=3,
)
TEXTS = st.dictionaries(st.text("xyz", min_size=1), st.text(st.characters(codec="utf-8")))


@given(TEXTS, ARRAYS)
def test_what_is_packed_comes_out_bit_by_bit(texts: dict[str, str], arrays: dict) -> None:
    packet = unpacked(packed("kind", texts, arrays), "kind", "here")
    assert dict(packet.texts) == {"ovseg": "kind", **texts}
    assert list(packet.arrays) == list(arrays)
    for name, array in arrays.items():
        found = packet.arrays[name]
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert found.tobytes() == array.tobytes()
        assert found.flags.writeable


def test_any_library_that_knows_safetensors_reads_a_packet() -> None:
    arrays = {"a": np.arange(6, dtype=np.uint16).reshape(2, 3), "b": np.ones(3, np.float16)}
    found = load(packed("kind", {"word": "ä"}, arrays))
    assert {name: each.tolist() for name, each in found.items()} == {
        name: each.tolist() for name, each in arrays.items()
    }


@given(st.binary(max_size=300))
def test_no_bytes_make_anything_but_a_named_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        unpacked(data, "kind", "here")


@given(st.data())
def test_a_damaged_packet_is_a_named_error_or_another_packet(data: st.DataObject) -> None:
    whole = bytearray(packed("kind", {"word": "x"}, {"a": np.arange(5, dtype=np.float32)}))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    try:
        packet = unpacked(bytes(whole), "kind", "here")
    except FormatError:
        return
    assert sum(each.nbytes for each in packet.arrays.values()) == 20


def header(**fields: object) -> bytes:
    text = json.dumps({"__metadata__": {"ovseg": "kind"}, **fields}).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "field",
    [
        {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]},
        {"dtype": "U8", "shape": [2**40], "data_offsets": [0, 2**40]},
        {"dtype": "U8", "shape": [4], "data_offsets": [1, 5]},
        {"dtype": "U8", "shape": [-4], "data_offsets": [0, 4]},
        {"dtype": "U8", "shape": [1, 1, 1, 1, 4], "data_offsets": [0, 4]},
        {"dtype": "U8", "shape": "4", "data_offsets": [0, 4]},
        {"dtype": "BOOL", "shape": [4], "data_offsets": [0, 4]},
        {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]},
        7,
    ],
)
def test_a_header_that_lies_is_refused(field: object) -> None:
    with pytest.raises(FormatError):
        unpacked(header(a=field) + b"\x02\x01\x00\x01", "kind", "here")


def test_another_kind_is_refused_by_its_name() -> None:
    data = packed("lesson", {}, {})
    assert is_packet(data, "lesson")
    assert not is_packet(data, "examples")
    with pytest.raises(FormatError, match="'examples', got 'lesson'"):
        unpacked(data, "examples", "here")


def test_an_array_of_another_type_is_refused() -> None:
    packet = unpacked(packed("kind", {}, {"a": np.zeros((2, 2), np.uint8)}), "kind", "here")
    with pytest.raises(FormatError, match="uint8 of 2 dimensions, expected float16 of 2"):
        packet.array("a", np.float16, 2)
    with pytest.raises(FormatError, match="'b' is missing"):
        packet.array("b", np.uint8, 2)
