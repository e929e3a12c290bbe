"""Our own record keeps everything, to the last bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats import native
from ovseg_annotate.geometry import Polygon, Size, Window
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import Vocabulary

rings = arrays.arrays(
    np.float64,
    st.tuples(st.integers(3, 6), st.just(2)),
    elements=st.floats(-1e6, 1e6, allow_nan=False),
)
polygons = st.builds(Polygon, rings, st.lists(rings, max_size=2).map(tuple))
bits = arrays.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))
shares = st.none() | st.floats(0, 1)


@settings(deadline=None)
@given(
    st.lists(polygons, max_size=3),
    st.none() | bits,
    shares,
    shares,
    st.sampled_from(native.Kind),
    st.text(),
)
def test_every_bit_comes_back(
    shapes: list[Polygon],
    pixels: NDArray[np.bool_] | None,
    confidence: float | None,
    margin: float | None,
    kind: native.Kind,
    name: str,
) -> None:
    mask = None if pixels is None else Mask.of(pixels, 3, 5)
    regions = [Region("car", tuple(shapes), mask, confidence, margin)] if shapes or mask else []
    image = AnnotatedImage(name, Size(20, 30), tuple(regions), Vocabulary.parse("car"), None)
    record = native.from_bytes(native.to_bytes(image, kind), "here")
    assert (record.kind, record.image.name, record.image.size) == (kind, name, image.size)
    assert record.image.vocabulary == image.vocabulary
    for before, after in zip(regions, record.image.regions, strict=True):
        assert (after.concept, after.confidence, after.margin) == ("car", confidence, margin)
        for one, other in zip(before.polygons, after.polygons, strict=True):
            for ring, same in zip(one.rings, other.rings, strict=True):
                np.testing.assert_array_equal(same, ring)
        assert (after.mask is None) == (mask is None)
        if after.mask is not None and mask is not None:
            assert after.mask.box == mask.box
            np.testing.assert_array_equal(after.mask.bits, mask.bits)


def test_provenance_and_the_whole_vocabulary_come_back(
    small_region: AnnotatedImage, tmp_path: Path, provenance: Provenance
) -> None:
    path = native.write_record(
        tmp_path / "a.json", native.Record(small_region, native.Kind.CORRECTION)
    )
    record = native.read_record(path)
    assert record.kind == "correction"
    assert record.image.provenance == provenance
    assert record.image.vocabulary == small_region.vocabulary
    assert record.image.regions[0].mask is not None
    assert record.image.regions[0].mask.box == Window(5, 4, 2, 3)


def changed(image: AnnotatedImage, **fields: Any) -> bytes:
    plain = json.loads(native.to_bytes(image, native.Kind.SUGGESTION))
    region = plain["regions"][0]
    for name, value in fields.items():
        (region if name in region else plain)[name] = value
    return json.dumps(plain).encode()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("schema", 2, "newer version.*update"),
        ("width", 0, r"here\.width: expected a whole number from 1"),
        ("width", 2**29, "more than 536870912 pixels"),
        (
            "kind",
            "guess",
            r"here\.kind: expected one of suggestion, correction, accepted, got 'guess'",
        ),
        ("vocabulary", "a; a", "stands twice"),
        ("name", 3, r"here\.name: expected a text, got 3"),
        ("regions", {}, r"here\.regions: expected a list"),
        ("provenance", {"model": "x"}, r"here\.provenance: provenance needs"),
        ("concept", "boat", r"here\.regions\[0\]\.concept: expected a concept"),
        ("confidence", 1.5, r"confidence: expected a number from 0 to 1"),
        ("margin", float("nan"), "NaN is not a number"),
        ("polygons", [[[[0, 0], [1, 1]]]], "at least 3 points"),
        ("polygons", [[[[0, 0], [1, 1], [2]]]], r"points \[x, y\]"),
        ("polygons", [[[[0, 0], [1, 1], [2, 1e300]]]], "a coordinate on a picture"),
        ("mask", {"box": [5, 4, 2, 3], "counts": "07"}, "there are 6 in all"),
        ("mask", {"box": [9, 4, 2, 3], "counts": "06"}, "a box within 20 x 10 px"),
        ("mask", {"box": [5, 4, 2], "counts": "06"}, r"\[top, left, height, width\]"),
    ],
)
def test_a_wrong_field_is_named(
    small_region: AnnotatedImage, field: str, value: object, message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        native.from_bytes(changed(small_region, **{field: value}), "here")


def test_a_region_with_no_shape_is_refused(small_region: AnnotatedImage) -> None:
    with pytest.raises(FormatError, match=r"regions\[0\]: a region needs polygons or a mask"):
        native.from_bytes(changed(small_region, polygons=[], mask=None), "here")


def test_a_truncated_record_is_refused_at_every_length(small_region: AnnotatedImage) -> None:
    data = native.to_bytes(small_region, native.Kind.SUGGESTION)
    for end in range(0, len(data) - 2, 7):
        with pytest.raises(FormatError, match=r"a\.json is not valid JSON.*truncated"):
            native.from_bytes(data[:end], "a.json")


def test_fields_of_others_are_passed_over(small_region: AnnotatedImage) -> None:
    data = native.to_bytes(small_region, native.Kind.SUGGESTION)
    record = native.from_bytes(b'{"made_from": {"x": 1},\n' + data.removeprefix(b"{"), "here")
    assert record.image.name == "a.png"
