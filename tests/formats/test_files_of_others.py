"""Files that other tools wrote."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.formats.label_studio_rle import encode
from ovseg_annotate.geometry import Size
from ovseg_annotate.regions import AnnotatedImage, Region, mask_of

SIZE = Size(height=50, width=100)


def pixels_of(region: Region, size: Size = SIZE) -> NDArray[np.bool_]:
    pixels = np.zeros((size.height, size.width), bool)
    mask = mask_of(region, size)
    pixels[mask.box.slices] = mask.array()
    return pixels


def item(kind: str, identity: str = "r1", **value: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "type": kind,
        "from_name": "x",
        "to_name": "image",
        "original_width": 100,
        "original_height": 50,
        "image_rotation": 0,
        "value": value,
    }


def task(
    *results: dict[str, Any], image: str = "/data/upload/3/0123abcd-a b.png"
) -> dict[str, Any]:
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": list(results)}]}


def read_tasks(folder: Path, *tasks: dict[str, Any]) -> list[AnnotatedImage]:
    path = folder / "export.json"
    path.write_text(json.dumps(list(tasks)))
    return list(format_named("label-studio").read(path))


def test_a_label_studio_rectangle_and_its_turned_twin(tmp_path: Path) -> None:
    straight = item("rectanglelabels", x=10, y=20, width=5, height=40, rectanglelabels=["a"])
    turned = item(
        "rectanglelabels", x=40, y=20, width=5, height=40, rotation=90, rectanglelabels=["a"]
    )
    (read,) = read_tasks(tmp_path, task(straight, turned))
    expected = np.zeros((50, 100), bool)
    expected[10:30, 10:15] = True
    np.testing.assert_array_equal(pixels_of(read.regions[0]), expected)
    expected = np.zeros((50, 100), bool)
    expected[10:15, 20:40] = True  # a quarter turn clockwise about the upper left corner
    np.testing.assert_array_equal(pixels_of(read.regions[1]), expected)


def test_a_label_studio_ellipse_has_the_area_of_an_ellipse(tmp_path: Path) -> None:
    shape = item("ellipselabels", x=50, y=50, radiusX=30, radiusY=20, ellipselabels=["a"])
    (read,) = read_tasks(tmp_path, task(shape))
    (polygon,) = read.regions[0].polygons
    assert polygon.area == pytest.approx(np.pi * 30 * 10, rel=1e-6)
    assert read.name == "a b.png"
    assert read.provenance is None


def test_a_painted_ring_becomes_one_coco_annotation_with_its_hole(
    tmp_path: Path, again: Callable[..., list[AnnotatedImage]]
) -> None:
    y, x = np.mgrid[:50, :100]
    ring = (np.hypot(x - 50, y - 25) < 20) & (np.hypot(x - 50, y - 25) > 10)
    painted = item("brushlabels", format="rle", rle=list(encode(ring)), brushlabels=["ring"])
    (read,) = again("coco", read_tasks(tmp_path, task(painted)))
    (region,) = read.regions
    np.testing.assert_array_equal(pixels_of(region), ring)


def test_the_annotation_changed_last_counts_and_cancelled_ones_do_not(tmp_path: Path) -> None:
    def annotation(name: str, time: str, **more: Any) -> dict[str, Any]:
        shape = item("polygonlabels", points=[[0, 0], [9, 0], [0, 9]], polygonlabels=[name])
        return {"result": [shape], "updated_at": time, **more}

    found = task() | {
        "annotations": [
            annotation("old", "2025-01-02T10:00:00Z"),
            annotation("new", "2025-01-03T10:00:00Z"),
            annotation("cancelled", "2025-01-04T10:00:00Z", was_cancelled=True),
        ],
        "predictions": [7],
    }
    (read,) = read_tasks(tmp_path, found)
    assert [region.concept for region in read.regions] == ["new"]


def test_a_region_drawn_with_a_plain_tag_is_read_once(tmp_path: Path) -> None:
    points = [[0, 0], [50, 0], [0, 50]]
    plain = item("polygon", points=points)
    labelled = item("labels", points=points, labels=["a"])
    choice = item("choices", choices=["good"])
    (read,) = read_tasks(tmp_path, task(plain, labelled, choice))
    assert [region.concept for region in read.regions] == ["a"]


def test_two_polygons_of_two_people_stay_two_regions(tmp_path: Path) -> None:
    points = [[0, 0], [50, 0], [0, 50]]
    shapes = [item("polygonlabels", name, points=points, polygonlabels=["a"]) for name in "xy"]
    (read,) = read_tasks(tmp_path, task(*shapes))
    assert len(read.regions) == 2


def test_tasks_that_nobody_opened_are_passed_over(tmp_path: Path) -> None:
    shape = item("polygonlabels", points=[[0, 0], [50, 0], [0, 50]], polygonlabels=["a"])
    untouched = {"id": 2, "data": {"image": "b.png"}, "annotations": [], "predictions": []}
    assert len(read_tasks(tmp_path, untouched, task(shape))) == 1


def test_pictures_of_one_export_share_its_concepts(tmp_path: Path) -> None:
    first, second = (
        task(
            item("polygonlabels", points=[[0, 0], [50, 0], [0, 50]], polygonlabels=[name]),
            image=f"http://host/files/?d=set/{name}.png",
        )
        for name in ("b", "a")
    )
    read = read_tasks(tmp_path, first, second)
    assert [image.name for image in read] == ["set/b.png", "set/a.png"]
    assert read[0].vocabulary.names == read[1].vocabulary.names == ("b", "a")


def test_concepts_that_differ_in_case_only_are_reported(tmp_path: Path) -> None:
    shapes = [
        item("polygonlabels", points=[[0, 0], [50, 0], [0, 50]], polygonlabels=[name])
        for name in ("Car", "car")
    ]
    with pytest.raises(FormatError, match=r"'car' stands twice \(also as 'Car'\)"):
        read_tasks(tmp_path, task(*shapes))


def test_a_concept_added_in_label_studio_joins_the_vocabulary(
    tmp_path: Path, small_region: AnnotatedImage
) -> None:
    format_named("label-studio").write([small_region], tmp_path)
    path = tmp_path / "tasks.json"
    path.write_text(path.read_text().replace('"polygonlabels":["road"]', '"polygonlabels":["bus"]'))
    (read,) = format_named("label-studio").read(tmp_path)
    assert read.vocabulary.names == (*small_region.vocabulary.names, "bus")


def test_coco_annotations_may_come_in_any_order_and_before_the_pictures(tmp_path: Path) -> None:
    ring = [0, 0, 4, 0, 4, 2, 0, 2]
    plain = {
        "annotations": [
            {"id": 5, "image_id": 20, "category_id": 3, "segmentation": [ring]},
            {"id": 6, "image_id": 10, "category_id": 8, "segmentation": [ring, [9, 9, 9, 9]]},
            {"id": 7, "image_id": 20, "category_id": 8, "segmentation": [[1, 1, 2, 2]]},
        ],
        "categories": [{"id": 8, "name": "b"}, {"id": 3, "name": " a  thing "}],
        "images": [
            {"id": 10, "file_name": "x.png", "width": 10, "height": 10},
            {"id": 20, "file_name": "y.png", "width": 10, "height": 10},
        ],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(plain))
    first, second = format_named("coco").read(path)
    assert first.vocabulary.names == ("a thing", "b")
    assert [region.concept for region in first.regions] == ["b"]
    assert [region.concept for region in second.regions] == ["a thing"]
    assert pixels_of(second.regions[0], second.size).sum() == 8


def test_coco_boxes_alone_are_refused(tmp_path: Path) -> None:
    plain = {
        "images": [{"id": 1, "file_name": "x.png", "width": 10, "height": 10}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": []}],
        "categories": [{"id": 1, "name": "a"}],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(plain))
    with pytest.raises(FormatError, match="a box alone is no outline"):
        list(format_named("coco").read(path))


def test_yolo_sizes_come_from_the_pictures_as_they_stand_upright(tmp_path: Path) -> None:
    for folder in ("images/train", "labels/train"):
        (tmp_path / folder).mkdir(parents=True)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "images/train/a.jpg", exif=exif)
    (tmp_path / "labels/train/a.txt").write_text("0 0 0 0.5 0 0.5 1 0 1\n\n")
    (tmp_path / "data.yaml").write_text("names: [cat]\n")
    (read,) = format_named("yolo").read(tmp_path)
    assert (read.name, read.size) == ("train/a.jpg", Size(height=30, width=20))
    assert pixels_of(read.regions[0], read.size).sum() == 300


def test_yolo_rows_of_boxes_are_refused(tmp_path: Path, small_region: AnnotatedImage) -> None:
    format_named("yolo").write([small_region], tmp_path)
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(FormatError, match="got 4 numbers; rows of 4 are boxes"):
        list(format_named("yolo").read(tmp_path))


def test_voc_without_objects_gives_connected_pieces_and_no_void(tmp_path: Path) -> None:
    (tmp_path / "SegmentationClass").mkdir()
    classes = np.zeros((6, 9), np.uint8)
    classes[1:3, 1:3] = classes[4, 5:8] = 1
    classes[0] = 255
    Image.fromarray(classes).save(tmp_path / "SegmentationClass/a.png")
    (tmp_path / "class_names.txt").write_text("__ignore__\n_background_\ncat\n")
    (read,) = format_named("voc").read(tmp_path)
    assert read.name == "a.png"
    assert [(region.concept, pixels_of(region, read.size).sum()) for region in read.regions] == [
        ("cat", 4),
        ("cat", 3),
    ]


def test_labelme_shapes_are_read_as_labelme_draws_them(tmp_path: Path) -> None:
    png = io.BytesIO()
    Image.fromarray(np.array([[1, 0], [1, 1]], np.uint8)).save(png, "PNG")
    mask = base64.b64encode(png.getvalue()).decode()
    shapes = [
        {"label": "a", "points": [[1, 1], [3, 1], [3, 4], [1, 4]], "shape_type": "polygon"},
        {"label": "a", "points": [[10, 2], [12, 3]], "shape_type": "rectangle"},
        {"label": "b", "points": [[30, 20], [30, 25]], "shape_type": "circle"},
        {"label": "b", "points": [[-1, 5], [0, 6]], "shape_type": "mask", "mask": mask},
        {"label": "b", "points": [[5, 5], [9, 9]], "shape_type": "line"},
    ]
    plain = {"shapes": shapes, "imagePath": "..\\a.png", "imageHeight": 50, "imageWidth": 100}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(plain))
    (read,) = format_named("labelme").read(path)
    assert read.name == "a.png"
    box, rectangle, circle, cut = (pixels_of(region) for region in read.regions)
    assert (box.sum(), box[1:5, 1:4].all()) == (12, True)  # corners and border included
    assert (rectangle.sum(), rectangle[2:4, 10:13].all()) == (6, True)
    assert circle.sum() == pytest.approx(np.pi * 5.5**2, rel=0.1)
    assert np.argwhere(cut).tolist() == [[6, 0]]  # the rest lies outside the picture


def test_cvat_boxes_ellipses_and_groups(tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").write_text(
        """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><job><labels><label><name>a</name><attributes><attribute><name>no label</name></attribute>
</attributes></label><label><name>b</name></label></labels></job></meta>
<image id="0" name="x.png" width="100" height="50">
<box label="a" source="manual" xtl="1.00" ytl="2.00" xbr="4.00" ybr="8.00" z_order="0"/>
<box label="a" xtl="20" ytl="10" xbr="24" ybr="18" rotation="90.0"/>
<ellipse label="b" cx="50" cy="25" rx="10" ry="5"/>
<polygon label="b" points="0,0;2,0;2,2;0,2" group_id="1"/>
<polygon label="b" points="9,0;11,0;11,2;9,2" group_id="1"/>
<polygon label="a" points="5,0;7,0;7,2;5,2" group_id="1"/>
<points label="a" points="1,1"/><tag label="a"/>
</image></annotations>"""
    )
    (read,) = format_named("cvat").read(tmp_path / "annotations.xml")
    assert read.vocabulary.names == ("a", "b")
    straight, turned, ellipse, group, alone = read.regions
    assert pixels_of(straight)[2:8, 1:4].sum() == pixels_of(straight).sum() == 18
    assert pixels_of(turned)[12:16, 18:26].sum() == pixels_of(turned).sum() == 32
    assert ellipse.polygons[0].area == pytest.approx(np.pi * 50)
    assert (len(group.polygons), len(alone.polygons)) == (2, 1)
