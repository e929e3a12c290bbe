"""One region of 3 x 2 pixels at column 4, row 5 of a 20 x 10 picture, number by number."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from PIL import Image

from ovseg_annotate.formats import native
from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.formats.label_studio_results import LabelStudioOptions, results_of
from ovseg_annotate.formats.labelme import LabelmeOptions
from ovseg_annotate.formats.voc_masks import VocOptions
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.regions import AnnotatedImage

EXPECTED = np.zeros((10, 20), bool)
EXPECTED[5:7, 4:7] = True


def written(image: AnnotatedImage, folder: Path, name: str, options: object = None) -> Path:
    format_named(name).write([image], folder, options)
    return folder


def task(image: AnnotatedImage, folder: Path, **options: Any) -> dict[str, Any]:
    written(image, folder, "label-studio", LabelStudioOptions(**options))
    (found,) = json.loads((folder / "tasks.json").read_text())
    return dict(found)


def test_label_studio_polygon(
    small_region: AnnotatedImage, tmp_path: Path, provenance: Provenance
) -> None:
    found = task(small_region, tmp_path, from_name="poly", image_prefix="/data/local-files/?d=")
    (prediction,) = found["predictions"]
    (item,) = prediction["result"]
    assert found["data"] == {"image": "/data/local-files/?d=a.png"}
    assert prediction["model_version"] == provenance.digest
    assert prediction["score"] == 0.5
    assert len(item.pop("id")) == 32
    assert item == {
        "from_name": "poly",
        "to_name": "image",
        "type": "polygonlabels",
        "original_width": 20,
        "original_height": 10,
        "image_rotation": 0,
        "score": 0.5,
        "value": {
            "points": [[20, 50], [35, 50], [35, 70], [20, 70]],
            "closed": True,
            "polygonlabels": ["road"],
        },
    }


def test_label_studio_brush(small_region: AnnotatedImage, tmp_path: Path) -> None:
    (prediction,) = task(small_region, tmp_path, shapes="brush")["predictions"]
    (item,) = prediction["result"]
    assert item["type"] == "brushlabels"
    assert item["value"]["format"] == "rle"
    assert item["value"]["rle"][:6] == [0, 0, 3, 32, 57, 27]  # 20 * 10 * 4 values
    assert item["value"]["brushlabels"] == ["road"]


def test_label_studio_bitmask(small_region: AnnotatedImage, tmp_path: Path) -> None:
    (prediction,) = task(small_region, tmp_path, shapes="bitmask")["predictions"]
    (item,) = prediction["result"]
    start, data = item["value"]["imageDataURL"].split(",")
    assert start == "data:image/png;base64"
    alpha = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA").getchannel("A")
    np.testing.assert_array_equal(np.asarray(alpha) == 255, EXPECTED)
    assert item["value"]["bitmasklabels"] == ["road"]


def test_coco(small_region: AnnotatedImage, tmp_path: Path, provenance: Provenance) -> None:
    found = json.loads((written(small_region, tmp_path, "coco") / "annotations.json").read_text())
    assert found["images"][0]["file_name"] == "a.png"
    assert (found["images"][0]["width"], found["images"][0]["height"]) == (20, 10)
    assert [(each["id"], each["name"]) for each in found["categories"]] == [
        (1, "car"),
        (2, "road"),
        (3, "sky"),
    ]
    assert found["annotations"] == [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 2,
            "segmentation": [[4, 5, 7, 5, 7, 7, 4, 7]],
            "area": 6,
            "bbox": [4, 5, 3, 2],
            "iscrowd": 0,
            "score": 0.5,
        }
    ]
    assert found["provenance"] == [provenance.as_plain()]


def test_yolo(small_region: AnnotatedImage, tmp_path: Path) -> None:
    written(small_region, tmp_path, "yolo")
    assert (tmp_path / "labels/a.txt").read_text() == "1 0.2 0.5 0.35 0.5 0.35 0.7 0.2 0.7\n"
    assert yaml.safe_load((tmp_path / "data.yaml").read_text())["names"] == {
        0: "car",
        1: "road",
        2: "sky",
    }


@pytest.mark.parametrize(("unlabelled", "empty"), [("background", 0), ("void", 255)])
def test_voc(small_region: AnnotatedImage, tmp_path: Path, unlabelled: Any, empty: int) -> None:
    written(small_region, tmp_path, "voc", VocOptions(unlabelled))
    classes = Image.open(tmp_path / "SegmentationClass/a.png")
    objects = Image.open(tmp_path / "SegmentationObject/a.png")
    np.testing.assert_array_equal(np.asarray(classes), np.where(EXPECTED, 2, empty))
    np.testing.assert_array_equal(np.asarray(objects), np.where(EXPECTED, 1, empty))
    assert classes.mode == "P"
    palette = classes.getpalette()
    assert palette is not None
    assert palette[3:9] == [128, 0, 0, 0, 128, 0]
    assert palette[-3:] == [224, 224, 192]
    names = (tmp_path / "class_names.txt").read_text().splitlines()
    assert names == ["_background_", "car", "road", "sky"]


def test_masks(small_region: AnnotatedImage, tmp_path: Path) -> None:
    written(small_region, tmp_path, "masks")
    pixels = Image.open(tmp_path / "masks/a.png")
    np.testing.assert_array_equal(np.asarray(pixels), np.where(EXPECTED, 2, 0))
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    assert lines[:2] == ["value,concept,colour", "1,car,#10ff20"]
    assert [line.split(",")[:2] for line in lines[2:]] == [
        ["2", "road"],
        ["3", "glass slide"],
        ["4", "sky"],
    ]


def test_labelme_polygon(small_region: AnnotatedImage, tmp_path: Path) -> None:
    found = json.loads((written(small_region, tmp_path, "labelme") / "a.json").read_text())
    assert (found["imagePath"], found["imageWidth"], found["imageHeight"]) == ("a.png", 20, 10)
    assert found["imageData"] is None
    (shape,) = found["shapes"]
    assert shape["shape_type"] == "polygon"
    assert sorted(shape["points"]) == [[4, 5], [4, 6], [6, 5], [6, 6]]
    assert shape["label"] == "road"
    assert shape["group_id"] is None
    assert json.loads(shape["description"]) == {"score": 0.5, "margin": 0.25}


def test_labelme_mask(small_region: AnnotatedImage, tmp_path: Path) -> None:
    written(small_region, tmp_path, "labelme", LabelmeOptions(polygons=False))
    (shape,) = json.loads((tmp_path / "a.json").read_text())["shapes"]
    assert shape["shape_type"] == "mask"
    assert shape["points"] == [[4, 5], [6, 6]]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape["mask"]))))
    np.testing.assert_array_equal(pixels.astype(bool), np.ones((2, 3), bool))


def test_geojson(small_region: AnnotatedImage, tmp_path: Path) -> None:
    found = json.loads((written(small_region, tmp_path, "geojson") / "a.geojson").read_text())
    assert (found["properties"]["width"], found["properties"]["height"]) == (20, 10)
    assert "pixel edges" in found["properties"]["frame"]
    (feature,) = found["features"]
    assert feature["geometry"] == {
        "type": "Polygon",
        "coordinates": [[[4, 5], [7, 5], [7, 7], [4, 7], [4, 5]]],
    }
    assert feature["properties"] == {"concept": "road", "score": 0.5, "margin": 0.25}


def xml(folder: Path) -> ET.Element:
    return ET.parse(folder / "annotations.xml").getroot()  # noqa: S314  our own file


def test_cvat(small_region: AnnotatedImage, tmp_path: Path) -> None:
    root = xml(written(small_region, tmp_path, "cvat"))
    assert root.findtext("version") == "1.1"
    assert root.findtext("meta/task/size") == "1"
    assert [each.findtext("name") for each in root.iter("label")] == ["car", "road", "sky"]
    (image,) = root.iter("image")
    assert image.attrib == {"id": "0", "name": "a.png", "width": "20", "height": "10"}
    (polygon,) = image
    assert polygon.attrib == {
        "label": "road",
        "source": "auto",
        "occluded": "0",
        "z_order": "0",
        "points": "4.00,5.00;7.00,5.00;7.00,7.00;4.00,7.00",
    }


def test_cvat_mask_counts_runs_of_its_box(tmp_path: Path, image_of_masks: Any) -> None:
    mask = np.zeros((9, 12), bool)
    mask[2:6, 3:8] = True
    mask[3, 4:6] = False
    root = xml(written(image_of_masks(mask), tmp_path, "cvat"))
    (shape,) = root.iter("mask")
    assert {key: shape.attrib[key] for key in ("left", "top", "width", "height", "rle")} == {
        "left": "3",
        "top": "2",
        "width": "5",
        "height": "4",
        "rle": "0, 6, 2, 12",
    }


def test_native(small_region: AnnotatedImage) -> None:
    found = json.loads(native.to_bytes(small_region, native.Kind.SUGGESTION))
    (region,) = found["regions"]
    assert found["kind"] == "suggestion"
    assert (found["width"], found["height"]) == (20, 10)
    assert region["polygons"] == [[[[4, 5], [7, 5], [7, 7], [4, 7]]]]
    assert region["mask"]["box"] == [5, 4, 2, 3]
    assert region["mask"]["counts"] == "06"  # no background, then 6 pixels


def test_label_studio_ids_are_new_every_time(small_region: AnnotatedImage) -> None:
    found = {
        item["id"] for _ in range(1000) for item in results_of(small_region, LabelStudioOptions())
    }
    assert len(found) == 1000
