"""Damaged and hostile files end in a FormatError, whatever was done to them."""

from __future__ import annotations

import random
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.catalogue import FORMATS, format_named
from ovseg_annotate.formats.label_studio_results import LabelStudioOptions
from ovseg_annotate.geometry import Polygon, Size
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import Vocabulary

VARIANTS = [
    *((name, None) for name in FORMATS),
    ("label-studio", LabelStudioOptions(shapes="brush")),
    ("label-studio", LabelStudioOptions(shapes="bitmask")),
]
JUNK = [
    b"",
    b"\0",
    b"-1",
    b"1e999",
    b"null",
    b"[]",
    b"{}",
    b'"',
    b"NaN",
    b"99999999999",
    b"\xff<",
    b",",
]


def two_pictures() -> list[AnnotatedImage]:
    vocabulary = Vocabulary.parse("car; road")
    hole = np.ones((5, 6), bool)
    hole[2, 3] = False
    regions = (Region("car", (), Mask.of(hole, 1, 2)), Region("road", (), Mask.of(~hole[:1], 8, 0)))
    full = (Region("road", (), Mask.of(np.ones((3, 4), bool), 2, 2), 0.5),)
    return [
        AnnotatedImage("a.png", Size(10, 12), regions[:1], vocabulary, None),
        AnnotatedImage("b.png", Size(9, 8), full, vocabulary, None),
    ]


def read_all(name: str, path: Path) -> int:
    """How many regions there are; any error but ours escapes."""
    try:
        return sum(len(image.regions) for image in format_named(name).read(path))
    except FormatError:
        return -1


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), junk=st.sampled_from(JUNK))
def test_any_damage_is_read_or_refused(name: str, options: object, seed: int, junk: bytes) -> None:
    chance = random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        format_named(name).write(two_pictures(), Path(folder), options)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        path = chance.choice(files)
        data = path.read_bytes()
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice([0, 1, 5, 10_000]))
        path.write_bytes(data[:start] + junk + data[end:])
        read_all(name, Path(folder))


@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=str)
def test_a_truncated_file_is_never_read_as_a_whole(
    name: str, options: object, tmp_path: Path
) -> None:
    format_named(name).write(two_pictures(), tmp_path, options)
    assert read_all(name, tmp_path) == 2
    file = max(
        (
            path
            for path in tmp_path.rglob("*")
            if path.suffix in (".json", ".xml", ".png", ".geojson")
        ),
        key=lambda path: path.stat().st_size,
        default=None,
    )
    if file is None:
        assert name == "yolo"  # rows of text: the last number may just be shorter
        return
    data = file.read_bytes()
    for share in (0.0, 0.3, 0.6):
        file.write_bytes(data[: int(len(data) * share)])
        assert read_all(name, tmp_path) == -1


@pytest.mark.parametrize("suffix", [".json", ".geojson", ".xml", ".yaml", ".csv", ".png", ".txt"])
@settings(deadline=None, max_examples=25)
@given(data=st.binary(max_size=200))
def test_any_bytes_under_any_standard_name_are_refused(suffix: str, data: bytes) -> None:
    standard = {
        ".json": ["tasks.json", "annotations.json", "a.json"],
        ".xml": ["annotations.xml"],
        ".yaml": ["data.yaml"],
        ".csv": ["labels.csv", "pictures.csv"],
        ".txt": ["class_names.txt", "labels.txt"],
    }
    with tempfile.TemporaryDirectory() as folder:
        for name in standard.get(suffix, [f"a{suffix}"]):
            (Path(folder) / name).write_bytes(data)
        for name in FORMATS:
            assert read_all(name, Path(folder)) <= 0


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    pixels = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "file"), [("masks", "masks/a.png"), ("voc", "SegmentationClass/a.png")]
)
def test_a_huge_declared_size_is_refused_before_memory_is_taken(
    name: str, file: str, tmp_path: Path
) -> None:
    format_named(name).write(two_pictures(), tmp_path, None)
    (tmp_path / file).write_bytes(png_of(2**30, 2**30))
    with pytest.raises(FormatError, match=r"a\.png: 1073741824 x 1073741824 px is more than"):
        list(format_named(name).read(tmp_path))


def test_a_colour_picture_is_no_index_map(tmp_path: Path) -> None:
    format_named("masks").write(two_pictures(), tmp_path, None)
    Image.new("RGB", (12, 10)).save(tmp_path / "masks" / "a.png")
    with pytest.raises(FormatError, match=r"a\.png: expected one number a pixel.*mode RGB"):
        list(format_named("masks").read(tmp_path))


ENTITIES = """<!DOCTYPE annotations [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>
<annotations><meta><task><labels><label><name>&b;</name></label></labels></task></meta>
</annotations>"""


def test_xml_with_entities_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "annotations.xml"
    path.write_text(ENTITIES)
    with pytest.raises(FormatError, match="declares a document type"):
        list(format_named("cvat").read(path))


def test_deeply_nested_xml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "annotations.xml"
    path.write_text("<annotations>" + "<image>" * 5000)
    with pytest.raises(FormatError, match="nested more than 32 deep"):
        list(format_named("cvat").read(path))


EDITS = [
    ("label-studio", "tasks.json", '"car"', "3", r"polygonlabels\[0\]: expected a text, got 3"),
    ("label-studio", "tasks.json", '"points":[[', '"points":[[-,[', "not valid JSON at byte"),
    ("label-studio", "tasks.json", '"original_width":12', '"original_width":"x"', "original_width"),
    ("label-studio", "tasks.json", '"image_rotation":0', '"image_rotation":90', "turn the picture"),
    ("coco", "annotations.json", '"category_id":1', '"category_id":9', r"id of the categories \[1"),
    ("coco", "annotations.json", '"image_id":2', '"image_id":7', "image 7, which is not listed"),
    ("coco", "annotations.json", '"counts":"', '"counts":"o', "run length"),
    ("coco", "annotations.json", '"width":12', '"width":0', r"images\[0\]\.width"),
    ("coco", "annotations.json", '"id":2,"file', '"id":1,"file', "no other image has"),
    ("yolo", "labels/b.txt", "1 ", "7 ", r"b\.txt: line 1: concept 7; data\.yaml has 0 to 1"),
    ("yolo", "labels/b.txt", "1 0", "1 x", "line 1: expected numbers"),
    ("yolo", "data.yaml", "1: ", "5: ", r"names numbered 0, 1"),
    ("voc", "class_names.txt", "road\n", "", "value 2; class_names.txt names 1"),
    ("masks", "labels.csv", "2,road", "9,road", r"value 2 is not in .*labels\.csv"),
    ("masks", "labels.csv", "2,road", "x,road", "whole number"),
    ("labelme", "b.json", '"road"', '"boat"', "'boat' is not in the list of .*labels.txt"),
    ("labelme", "a.json", '"imageWidth":12', '"imageWidth":null', "imageWidth"),
    ("labelme", "a.json", '"points":[[2,1]', '"points":[[3,1]', "as its corners say"),
    ("geojson", "a.geojson", '"FeatureCollection"', '"Feature"', "expected 'FeatureCollection'"),
    ("geojson", "b.geojson", '"Polygon"', '"Point"', "'Polygon' or 'MultiPolygon'"),
    ("geojson", "b.geojson", '"concept":"road"', '"concept":"boat"', "concept of the collection"),
    ("cvat", "annotations.xml", 'label="road"', 'label="boat"', r"line \d+ <polygon>.*'boat'"),
    ("cvat", "annotations.xml", 'width="6"', 'width="60"', "reaches out of the picture"),
    ("cvat", "annotations.xml", 'rle="0', 'rle="1', "add up to 31"),
    ("cvat", "annotations.xml", 'points="', 'points="a', "expected x,y"),
    ("cvat", "annotations.xml", 'name="a.png" ', "", "'name' is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file", "old", "new", "message"), EDITS)
def test_a_wrong_value_is_named_with_its_place(
    name: str, file: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    format_named(name).write(two_pictures(), tmp_path, None)
    path = tmp_path / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(FormatError, match=message):
        list(format_named(name).read(tmp_path))


def test_a_polygon_that_freezes_the_browser_becomes_a_brush_or_an_error(
    tmp_path: Path, again: Callable[..., list[AnnotatedImage]]
) -> None:
    angles = np.linspace(0, 2 * np.pi, 6000, endpoint=False)
    outline = np.stack((50 + 40 * np.cos(angles), 50 + 40 * np.sin(angles)), axis=1)
    region = Region("car", (Polygon(outline),), None)
    image = AnnotatedImage("a.png", Size(100, 100), (region,), Vocabulary.parse("car"), None)
    with pytest.raises(FormatError, match=r"6000 points.*vertex budget.*brush_name"):
        again("label-studio", [image])
    (read,) = again("label-studio", [image], LabelStudioOptions(brush_name="brush"))
    assert read.regions[0].mask is not None


def test_a_name_that_xml_cannot_hold_is_refused(tmp_path: Path) -> None:
    image = AnnotatedImage("a\x07.png", Size(2, 2), (), Vocabulary.parse("car"), None)
    with pytest.raises(FormatError, match="control character"):
        format_named("cvat").write([image], tmp_path)
