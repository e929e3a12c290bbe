"""Pictures become rows and come back with nothing rounded."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from annotated_samples import WORDS, annotated, as_record

from ovseg_annotate.errors import RunError
from ovseg_annotate.geometry import Polygon, Size
from ovseg_annotate.lake.rows import Answer, FileState, images_of, tables_of
from ovseg_annotate.lake.schema import Table, schema_of
from ovseg_annotate.regions import AnnotatedImage, Mask, Region

FILE = FileState("/photos/a.png", 123, "1")


def ring(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, np.float64)


def rich(name: str = "deep/ä.png") -> AnnotatedImage:
    """Holes, parts, odd numbers, a mask alone, polygons alone, no scores."""
    outline = ring((0.1, 0.2), (20.300000000000004, 0), (20, 1 / 3), (0, 18))
    hole = ring((2, 2), (2, 6), (6, 6))
    part = ring((25, 1), (30, 1), (30, 5.5))
    rng = np.random.default_rng(3)
    mask = Mask.of(rng.random((9, 7)) < 0.4, top=3, left=11)
    regions = (
        Region("red", (Polygon(outline, (hole,)), Polygon(part)), mask, 1 / 3, 0.1),
        Region("green", (), mask, 0.7, None),
        Region("red", (Polygon(part),), None, None, 0.0),
    )
    return dataclasses.replace(annotated(name), regions=regions, size=Size(24, 32))


def answer(image: AnnotatedImage) -> Answer:
    return Answer(image.name, FILE, "ab", image)


def test_a_picture_comes_back_byte_for_byte() -> None:
    images = [rich(), annotated("b.png"), rich("c.png")]
    back = list(images_of(tables_of([answer(image) for image in images])))
    assert [as_record(image) for image in back] == [as_record(image) for image in images]


def test_a_picture_without_regions_or_provenance_comes_back() -> None:
    bare = dataclasses.replace(annotated(), regions=(), provenance=None)
    (back,) = images_of(tables_of([answer(bare)]))
    assert (back.regions, back.provenance, back.vocabulary) == ((), None, WORDS)


def test_a_failed_picture_keeps_its_reason_and_gives_no_answer() -> None:
    tables = tables_of([Answer("bad.png", FILE, "", None, error="cut off"), answer(rich())])
    assert [image.name for image in images_of(tables)] == [rich().name]
    row = tables[Table.PICTURES].to_pylist()[0]
    assert (row["state"], row["error"], row["width"]) == ("failed", "cut off", None)


def test_rows_tell_the_pixels_and_the_box_of_a_region() -> None:
    row = tables_of([answer(rich())])[Table.REGIONS].to_pylist()[1]
    array = rich().regions[1].mask.array()  # type: ignore[union-attr]
    rows, columns = np.nonzero(array)
    assert row["area"] == array.sum()
    assert (row["top"], row["left"]) == (3 + rows.min(), 11 + columns.min())


@pytest.mark.parametrize("table", list(Table))
def test_the_tables_have_the_columns_that_the_schema_names(table: Table) -> None:
    assert tables_of([answer(rich())])[table].schema.equals(schema_of(table), check_metadata=True)


def test_a_mask_that_is_missing_is_named() -> None:
    tables = dict(tables_of([answer(rich())]))
    tables[Table.MASKS] = tables[Table.MASKS].slice(0, 2)
    with pytest.raises(RunError, match="3 regions and 2 masks"):
        list(images_of(tables))


def test_a_region_of_another_picture_is_named() -> None:
    tables = dict(tables_of([answer(rich())]))
    tables[Table.REGIONS] = tables[Table.REGIONS].take([1, 0, 2])
    with pytest.raises(RunError, match=r"a region 0 of deep/ä\.png and does not hold it"):
        list(images_of(tables))
