"""Which objects are meant by points, boxes and strokes, and what is answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from suggesting import TWO_SQUARES, Backend, batch, config, control, interactive, png_of

from labelstudio_backend.annotating import Subject
from labelstudio_backend.context import Context
from labelstudio_backend.errors import TaskError
from labelstudio_backend.label_config import read_label_config
from labelstudio_backend.pictures import Picture
from labelstudio_backend.pointed import has_marks, pointed_objects
from labelstudio_backend.predictions import Canvas
from labelstudio_backend.wire import Prediction
from labelstudio_backend.words import words_of_controls
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.label_studio_results import regions_of_results
from ovseg_annotate.formats.label_studio_rle import encode
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import image_of_bytes
from ovseg_annotate.pointing.marks import AreaMark, BoxMark, PointMark
from ovseg_annotate.regions import mask_of
from ovseg_annotate.session import open_session

SHAPES = config(control("PolygonLabels", "poly", "red", '<Label value="sky" alias="blue"/>'))


def subject(text: str = SHAPES, index: int | None = None) -> Subject:
    """A picture of 96 x 64 px."""
    controls = read_label_config(text).controls
    image = image_of_bytes(TWO_SQUARES, "a")
    picture = Picture(image, Canvas("image", image.size, index))
    return Subject(picture, controls, words_of_controls(controls), ())


def item(kind: str, value: dict[str, object], **more: object) -> dict[str, object]:
    return {
        "type": kind,
        "to_name": "image",
        "from_name": "x",
        "original_width": 96,
        "original_height": 64,
        "image_rotation": 0,
        "value": value,
        **more,
    }


def point(x: float, y: float, label: str | None = "red", **more: object) -> dict[str, object]:
    labels = {} if label is None else {"keypointlabels": [label]}
    return item("keypointlabels", {"x": x, "y": y, "width": 1, **labels}, **more)


def box(x: float, y: float, width: float, height: float, **more: Any) -> dict[str, object]:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": more.pop("turned", 0)}
    return item("rectanglelabels", value | {"rectanglelabels": [more.pop("label", "red")]}, **more)


def stroke(mask: NDArray[np.bool_], **more: object) -> dict[str, object]:
    value = {"format": "rle", "rle": list(encode(mask)), "brushlabels": ["red"]}
    return item("brushlabels", value, **more)


def context(*items: object) -> Context:
    return Context.parse(Field({"result": list(items)}, "context"))


def objects(*items: object, text: str = SHAPES) -> list[tuple[str, list[object]]]:
    found = pointed_objects(subject(text), context(*items))
    return [(each.concept, list(each.marks)) for each in found]


def test_points_of_a_label_mean_one_object() -> None:
    found = objects(point(25, 50), point(50, 50, is_positive=False), point(30, 50))
    assert found == [
        (
            "red",
            [
                PointMark("red", 24, 32),
                PointMark("red", 28.8, 32),
                PointMark("red", 48, 32, positive=False),
            ],
        )
    ]


def test_points_of_two_labels_mean_two_objects() -> None:
    found = objects(point(25, 50), point(75, 50, "blue"))
    assert found == [
        ("red", [PointMark("red", 24, 32)]),
        ("sky", [PointMark("sky", 72, 32)]),
    ]


def test_each_box_means_one_object_with_the_points_inside() -> None:
    found = objects(
        box(0, 0, 50, 50),
        box(50, 50, 25, 25),
        point(12.5, 12.5),
        point(62.5, 62.5, is_positive=False),
        point(87.5, 87.5),
    )
    no = PointMark("red", 60, 40, positive=False)
    assert found == [
        ("red", [BoxMark("red", 0, 0, 48, 32), PointMark("red", 12, 8), no]),
        ("red", [BoxMark("red", 48, 32, 72, 48), no]),
        ("red", [PointMark("red", 84, 56), no]),
    ]


def test_a_turned_box_is_taken_upright_around() -> None:
    ((_, (mark,)),) = objects(box(50, 50, 25, 25, turned=90))
    assert isinstance(mark, BoxMark)
    # Turned by a right angle about its upper left corner, 24 x 16 px become 16 x 24 px.
    assert (mark.left, mark.top, mark.right, mark.bottom) == pytest.approx((32, 32, 48, 56))


def test_a_stroke_marks_its_pixels() -> None:
    mask = np.zeros((64, 96), bool)
    mask[10:20, 30:40] = True
    (found,) = pointed_objects(subject(), context(stroke(mask)))
    (mark,) = found.marks
    assert isinstance(mark, AreaMark)
    np.testing.assert_array_equal(mark.mask, mask)
    assert found.is_painted


def test_a_point_without_a_label_means_the_only_one() -> None:
    one = config(control("PolygonLabels", "poly", "cell"))
    assert objects(point(25, 50, None), text=one) == [("cell", [PointMark("cell", 24, 32)])]
    with pytest.raises(TaskError, match="choose one of"):
        objects(point(25, 50, None))


def test_a_label_that_no_shape_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(TaskError, match="red"):
        objects(point(25, 50, "pink"))


def test_only_negative_marks_mean_nothing() -> None:
    with pytest.raises(TaskError, match="mark the object"):
        objects(point(25, 50, is_positive=False))


@pytest.mark.parametrize("size", [{"original_width": 97}, {"original_height": 2**20}])
def test_a_stroke_of_another_picture_is_refused_before_it_is_decoded(size: dict[str, int]) -> None:
    with pytest.raises(TaskError, match="reload"):
        objects(stroke(np.ones((64, 96), bool)) | size)


def test_marks_belong_to_the_picture_they_were_made_on() -> None:
    second = context(point(25, 50, item_index=1))
    assert not has_marks(second, subject(index=0).picture)
    assert has_marks(second, subject(index=1).picture)
    assert not has_marks(context(point(1, 1) | {"to_name": "other"}), subject().picture)


CELLS = config(
    control("RectangleLabels", "rect", "nucleus", "cell"),
    control("BrushLabels", "brush", "nucleus", "cell"),
    control("PolygonLabels", "poly", "nucleus", "cell"),
    control("KeyPointLabels", "kp", "nucleus"),
)
SIDE = 256


@dataclass
class Slide:
    """A slide of cells before the bundled model."""

    backend: Backend
    nucleus: NDArray[np.bool_]  # one of two, (256, 256)

    @property
    def centre(self) -> tuple[float, float]:
        """Of the nucleus, in percent."""
        rows, columns = np.nonzero(self.nucleus)
        return 100 * (columns.mean() + 0.5) / SIDE, 100 * (rows.mean() + 0.5) / SIDE

    def ask(self, *items: dict[str, object]) -> Prediction:
        drawn_on = {"original_width": SIDE, "original_height": SIDE}
        (found,) = self.backend.predict(
            interactive(CELLS, "a", *(each | drawn_on for each in items))
        )
        return found

    def agreement(self, found: Prediction) -> float:
        """The IoU of what was answered with the nucleus."""
        items = [dict(item) for item in found.result]
        covered = np.zeros((SIDE, SIDE), bool)
        for region in regions_of_results(Field(items, "items")):
            mask = mask_of(region, Size(SIDE, SIDE))
            covered[mask.box.slices] |= mask.array()
        return float((covered & self.nucleus).sum() / (covered | self.nucleus).sum())


def drawn_slide() -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Two bluish nuclei on a grainy brown ground, and the pixels of the first."""
    chance = np.random.default_rng(6)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    first = ((rows - 100) / 26) ** 2 + ((columns - 90) / 34) ** 2 <= 1
    second = ((rows - 190) / 24) ** 2 + ((columns - 190) / 24) ** 2 <= 1
    pixels = np.empty((SIDE, SIDE, 3))
    pixels[:] = (150, 105, 60)
    pixels[first | second] = (50, 60, 150)
    pixels += chance.normal(0, 12, (SIDE, SIDE, 1))
    return pixels.clip(0, 255).astype(np.uint8), first


@pytest.fixture(scope="module")
def slide() -> Iterator[Slide]:
    pixels, nucleus = drawn_slide()
    backend = Backend(files={"a": png_of(pixels)})
    with open_session("naclip@mini") as session:
        backend.sessions.opened, backend.sessions.model = session, "naclip@mini"
        yield Slide(backend, nucleus)


def test_a_click_gives_the_object_under_it_as_one_polygon(slide: Slide) -> None:
    found = slide.ask(point(*slide.centre, "nucleus"))
    assert found.failure is None
    assert {item["from_name"] for item in found.result} == {"poly"}
    assert slide.agreement(found) > 0.7
    assert 0 < found.score <= 1


def test_a_box_gives_the_object_in_it(slide: Slide) -> None:
    rows, columns = np.nonzero(slide.nucleus)
    left, top = 100 * columns.min() / SIDE, 100 * rows.min() / SIDE
    right, bottom = 100 * (columns.max() + 1) / SIDE, 100 * (rows.max() + 1) / SIDE
    found = slide.ask(box(left, top, right - left, bottom - top, label="nucleus"))
    assert slide.agreement(found) > 0.8


def test_a_stroke_gives_the_object_under_it_as_a_brush(slide: Slide) -> None:
    x, y = (round(each * SIDE / 100) for each in slide.centre)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y - 2 : y + 3, x - 2 : x + 3] = True
    value = {"format": "rle", "rle": list(encode(mask)), "brushlabels": ["nucleus"]}
    found = slide.ask(item("brushlabels", value))
    assert {each["from_name"] for each in found.result} == {"brush"}
    assert slide.agreement(found) > 0.7


@pytest.mark.parametrize(
    "marks",
    [
        [point(150, 50, "nucleus")],
        [point(50, 50, "nucleus"), point(50, 50, "nucleus", is_positive=False)],
        [point(50, 50, "gone")],
        [point(50, 50, None)],
    ],
)
def test_marks_that_mean_nothing_give_no_region_and_a_reason(
    slide: Slide, marks: list[dict[str, object]]
) -> None:
    found = slide.ask(*marks)
    assert found.failure
    assert found.to_json() == {"result": [], "score": 0.0, "model_version": found.model_version}


def test_pointing_on_a_picture_that_was_suggested_runs_on_kept_features(slide: Slide) -> None:
    slide.backend.predict(batch(CELLS, "a"))
    store = slide.backend.sessions.opened.store
    before = store.counts.misses
    assert slide.ask(point(*slide.centre, "nucleus")).result
    assert store.counts.misses == before
