"""What people drew in tasks, as corrections."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from labelstudio_backend.answered import corrections_of, pictures_of
from labelstudio_backend.label_config import read_label_config
from labelstudio_backend.label_studio import Answer
from labelstudio_backend.wire import Task
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.label_studio_results import LabelStudioOptions, results_of
from ovseg_annotate.geometry import Size
from ovseg_annotate.learning_loop.corrections import Correction
from ovseg_annotate.lessons.lesson import NOTHING
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import Vocabulary

SIZE = Size(height=24, width=40)
ONE = """<View><Image name="image" value="$image"/>
  <PolygonLabels name="poly" toName="image"><Label value="Red car" predicted_values="car"/>
    <Label value="road" alias="r"/></PolygonLabels>
  <BrushLabels name="brush" toName="image"><Label value="road"/></BrushLabels>
  <RectangleLabels name="box" toName="image"><Label value="road"/></RectangleLabels>
  <BrushLabels name="tool" toName="image" smartOnly="true" smart="true">
    <Label value="road"/></BrushLabels></View>"""
SEVERAL = """<View><Image name="image" valueList="$images"/>
  <BrushLabels name="brush" toName="image"><Label value="road"/></BrushLabels></View>"""
LEFT, RIGHT = (slice(0, 24), slice(0, 20)), (slice(0, 24), slice(20, 40))


def area(where: tuple[slice, slice]) -> NDArray[np.bool_]:
    mask = np.zeros((SIZE.height, SIZE.width), np.bool_)
    mask[where] = True
    return mask


def drawn(where: tuple[slice, slice], label: str, control: str = "brush", **more: Any) -> Any:
    region = Region(label, (), Mask.of(area(where)))
    image = AnnotatedImage("a", SIZE, (region,), Vocabulary.parse(label), None)
    shapes: Any = "polygon" if control == "poly" else "brush"
    return [item | more for item in results_of(image, LabelStudioOptions(shapes, control, "image"))]


def said(
    config: str, left: list[Any], before: list[Any] | None = None, **data: Any
) -> list[Correction]:
    suggested = None if before is None else Field(before, "prediction")
    answer = Answer(Field(left, "annotation"), suggested, "ovseg-1")
    task = Task(12, data or {"image": "a.png"})
    return list(corrections_of(task, answer, read_label_config(config)))


def certain(correction: Correction) -> dict[str, int]:
    return {stated.concept: stated.mask.area for stated in correction.certain}


def test_what_was_drawn_is_certain_and_so_is_that_nothing_is_elsewhere() -> None:
    (correction,) = said(ONE, drawn(LEFT, "road"))
    assert (correction.picture, correction.accepted) == ("task 12 image", True)
    assert certain(correction) == {"road": 480, NOTHING: 480}


def test_labels_mean_the_concepts_of_the_config() -> None:
    (correction,) = said(ONE, [*drawn(LEFT, "Red car", "poly"), *drawn(RIGHT, "r", "poly")])
    assert certain(correction) == {"Red car": 480, "road": 480}


def test_what_was_suggested_and_taken_away_is_rejected_with_its_version() -> None:
    (correction,) = said(ONE, drawn(LEFT, "road"), drawn(RIGHT, "road"))
    assert [(each.concept, each.mask.area) for each in correction.rejected] == [("road", 480)]
    assert correction.version == "ovseg-1"


def test_a_suggestion_that_stands_cost_nothing() -> None:
    (correction,) = said(ONE, drawn(LEFT, "road"), drawn(LEFT, "road"))
    assert correction.effort.regions_kept == 1
    assert correction.effort.pixels_relabelled == 0


def test_an_empty_answer_says_that_nothing_is_there() -> None:
    (correction,) = said(ONE, [], drawn(LEFT, "road"))
    assert certain(correction) == {NOTHING: 960}


def test_without_a_suggestion_an_empty_answer_says_nothing() -> None:
    assert said(ONE, []) == []


@pytest.mark.parametrize(
    "item",
    [
        {**drawn(LEFT, "road")[0], "from_name": "tool"},
        {
            **drawn(LEFT, "road")[0],
            "from_name": "box",
            "type": "rectanglelabels",
            "value": {"x": 0, "y": 0, "width": 50, "height": 100, "rectanglelabels": ["road"]},
        },
        {"type": "textarea", "from_name": "prompt", "to_name": "image", "value": {"text": ["a"]}},
        {"type": "relation", "from_id": "a", "to_id": "b"},
        {**drawn(LEFT, "sky")[0]},
    ],
    ids=["tool", "box", "typed", "relation", "a label that is gone"],
)
def test_what_is_no_exact_region_of_a_label_is_left_out(item: dict[str, Any]) -> None:
    (correction,) = said(ONE, [item, *drawn(RIGHT, "road")])
    assert certain(correction) == {"road": 480, NOTHING: 480}


def test_of_several_pictures_those_count_in_which_something_was_drawn() -> None:
    left = drawn(LEFT, "road", item_index=1)
    (correction,) = said(SEVERAL, left, images=["a.png", "b.png", "c.png"])
    assert correction.picture == "task 12 image 1"


def test_every_picture_of_a_task_has_a_name_of_its_own() -> None:
    task = Task(12, {"images": ["a.png", "a.png"]})
    named = pictures_of(task, read_label_config(SEVERAL))
    assert [each.name for each in named] == ["task 12 image 0", "task 12 image 1"]
    assert [each.source.reference for each in named] == ["a.png", "a.png"]
