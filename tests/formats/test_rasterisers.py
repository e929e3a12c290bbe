"""Each format drawn by its own tool: outlines lie where that tool looks for them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as pycoco

from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.geometry import Polygon, Size, Window
from ovseg_annotate.polygons import fill, simplified, trace
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import Vocabulary

# pycocotools.decode calls numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIZE = Size(height=160, width=200)
Draw = Callable[[Path], NDArray[np.bool_]]


def disk() -> NDArray[np.bool_]:
    y, x = np.mgrid[: SIZE.height, : SIZE.width]
    return np.hypot(x - 90.3, y - 75.8) < 60


def ring_at_the_border() -> NDArray[np.bool_]:
    y, x = np.mgrid[: SIZE.height, : SIZE.width]
    distance = np.hypot(x - 30, y - 80)
    return (distance < 75) & (distance > 25)


def by_pycocotools(folder: Path) -> NDArray[np.bool_]:
    (annotation,) = json.loads((folder / "annotations.json").read_text())["annotations"]
    code = annotation["segmentation"]
    if isinstance(code, list):
        code = pycoco.merge(pycoco.frPyObjects(code, SIZE.height, SIZE.width))
    return np.asarray(pycoco.decode(code), bool)


def by_pillow_as_labelme_does(folder: Path) -> NDArray[np.bool_]:
    pixels = np.zeros((SIZE.height, SIZE.width), bool)
    for shape in json.loads((folder / "a.json").read_text())["shapes"]:
        if shape["shape_type"] == "polygon":
            image = Image.new("L", (SIZE.width, SIZE.height))
            points = [tuple(point) for point in shape["points"]]
            ImageDraw.Draw(image).polygon(points, outline=1, fill=1)
            pixels |= np.asarray(image) > 0
        else:
            (left, top), (right, bottom) = shape["points"]
            cut = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape["mask"]))))
            pixels[top : bottom + 1, left : right + 1] |= cut > 0
    return pixels


def by_winding(rings: list[NDArray[np.float64]]) -> NDArray[np.bool_]:
    """The canvas of a browser: a pixel is painted when its centre has a winding number."""
    return fill([Polygon(ring) for ring in rings], Window(0, 0, SIZE.height, SIZE.width))


def by_label_studio(folder: Path) -> NDArray[np.bool_]:
    ((prediction),) = json.loads((folder / "tasks.json").read_text())
    items: list[Any] = prediction["annotations"][0]["result"]
    scale = np.array([SIZE.width, SIZE.height]) / 100
    return by_winding([np.array(item["value"]["points"]) * scale for item in items])


def by_yolo(folder: Path) -> NDArray[np.bool_]:
    rows = (folder / "labels/a.txt").read_text().splitlines()
    scale = np.array([SIZE.width, SIZE.height])
    return by_winding([np.array(row.split()[1:], float).reshape(-1, 2) * scale for row in rows])


def by_shapely_as_geojson(folder: Path) -> NDArray[np.bool_]:
    (feature,) = json.loads((folder / "a.geojson").read_text())["features"]
    shape = shapely.from_geojson(json.dumps(feature["geometry"]))
    assert shapely.is_valid(shape)
    y, x = np.mgrid[: SIZE.height, : SIZE.width] + 0.5
    return np.asarray(shapely.contains_xy(shape, x, y), bool)


JUDGES: list[tuple[str, Draw]] = [
    ("coco", by_pycocotools),
    ("labelme", by_pillow_as_labelme_does),
    ("label-studio", by_label_studio),
    ("yolo", by_yolo),
    ("geojson", by_shapely_as_geojson),
]


@pytest.mark.parametrize(("name", "draw"), JUDGES)
@pytest.mark.parametrize("shape", [disk, ring_at_the_border])
@pytest.mark.parametrize("tolerance", [0.0, 0.5])
def test_the_formats_own_tool_draws_the_region(
    name: str,
    draw: Draw,
    shape: Callable[[], NDArray[np.bool_]],
    tolerance: float,
    tmp_path: Path,
) -> None:
    mask = shape()
    polygons = tuple(simplified(polygon, tolerance).polygon for polygon in trace(mask))
    region = Region("car", polygons, Mask.of(mask))
    image = AnnotatedImage("a.png", SIZE, (region,), Vocabulary.parse("car"), None)
    format_named(name).write([image], tmp_path)
    drawn = draw(tmp_path)
    iou = np.count_nonzero(drawn & mask) / np.count_nonzero(drawn | mask)
    assert iou == 1.0 if tolerance == 0.0 else iou >= 0.99


def test_a_labelme_tolerance_gives_fewer_points_near_the_region(tmp_path: Path) -> None:
    region = Region("car", (), Mask.of(disk()))
    image = AnnotatedImage("a.png", SIZE, (region,), Vocabulary.parse("car"), None)
    counts = []
    for tolerance in (0.0, 0.75):
        labelme = format_named("labelme")
        labelme.write([image], tmp_path, labelme.options(tolerance=tolerance))
        counts.append(len(json.loads((tmp_path / "a.json").read_text())["shapes"][0]["points"]))
    drawn = by_pillow_as_labelme_does(tmp_path)
    assert counts[1] < counts[0] / 2
    assert np.count_nonzero(drawn & disk()) / np.count_nonzero(drawn | disk()) > 0.98
