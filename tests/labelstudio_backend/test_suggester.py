"""Batches: what is answered, what fails alone, and what the version stands for."""

from __future__ import annotations

import io
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fake_engine import FakeEngine
from PIL import Image as PillowImage
from suggesting import (
    EVERY_CONTROL,
    PLAIN,
    RING,
    TWO_SQUARES,
    Backend,
    batch,
    config,
    control,
    interactive,
    png_of,
    typed,
)

from labelstudio_backend.answers import Answers
from labelstudio_backend.errors import LabelConfigError
from labelstudio_backend.suggest_options import SuggestOptions
from labelstudio_backend.suggester import Suggester
from labelstudio_backend.wire import Prediction, PredictRequest
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import Cancelled, OptionError

POLYGONS = config(control("PolygonLabels", "poly", "red", "blue"))


def said(prediction: Prediction) -> list[tuple[Any, Any]]:
    """(control, labels) of every item."""
    found: list[Any] = [dict(item) for item in prediction.result]
    return [(item["from_name"], tuple(item["value"][item["type"]])) for item in found]


def test_every_task_is_answered_in_order() -> None:
    first, second = Backend().predict(batch(EVERY_CONTROL, "a", "ring"))
    assert said(first) == [
        (name, (label,)) for name in ("poly", "brush", "rect") for label in ("red", "blue")
    ]
    assert said(second) == [(name, ("red",)) for name in ("poly", "brush", "rect")]


def test_a_task_in_doubt_has_a_lower_score_than_a_clear_one() -> None:
    pixels = np.full((64, 96, 3), 128, np.uint8)
    pixels[8:40, 8:40] = (191, 64, 64)  # red or grey?
    backend = Backend()
    backend.files["unclear"] = png_of(pixels)
    clear, unclear, both = backend.predict(batch(EVERY_CONTROL, "ring", "unclear", "a"))
    assert 0 <= unclear.score < min(clear.score, both.score) <= 1


def test_a_failed_task_costs_no_other() -> None:
    backend = Backend()
    backend.files |= {"text": b"hello", "cut": TWO_SQUARES[:90], "empty": b""}
    bad: tuple[object, ...] = ("gone", "text", "cut", "empty", None, 5, ["a"], "")
    predictions = backend.predict(batch(POLYGONS, "a", *bad, "ring"))
    good = [prediction for prediction in predictions if prediction.failure is None]
    assert good == [predictions[0], predictions[-1]]
    assert [prediction.to_json() for prediction in predictions[1:-1]] == [[]] * len(bad)
    assert all(prediction.result for prediction in good)


def test_a_task_without_the_field_of_the_picture_names_the_fields_it_has() -> None:
    backend = Backend()
    body = batch(POLYGONS, "a")
    body["tasks"] = [{"id": 1, "data": {"img": "a"}}]
    (prediction,) = backend.predict(body)
    assert prediction.failure is not None
    assert "'image'" in prediction.failure
    assert "img" in prediction.failure


def test_a_defect_in_one_task_is_logged_whole_and_costs_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = Backend()
    whole = backend.images.fetch

    def fetch(reference: str, task_id: int | None) -> bytes:
        if reference == "broken":
            raise ZeroDivisionError("secret-token")
        return whole(reference, task_id)

    backend.images.fetch = fetch  # type: ignore[method-assign]
    with caplog.at_level(logging.ERROR):
        bad, good = backend.predict(batch(POLYGONS, "broken", "a"))
    assert good.result
    assert bad.failure == "ZeroDivisionError; the log says more"
    assert caplog.records[0].exc_info is not None


def test_a_config_that_cannot_be_read_fails_the_whole_request() -> None:
    with pytest.raises(LabelConfigError):
        Backend().predict(batch("<View>", "a"))


def test_a_config_without_labels_stores_no_empty_result() -> None:
    (prediction,) = Backend().predict(batch(config(control("PolygonLabels", "poly")), "a"))
    assert prediction.failure is not None
    assert prediction.to_json() == []


def test_labels_that_a_task_brings_are_looked_for_in_it() -> None:
    text = config(control("PolygonLabels", "poly", attributes='value="$classes"'))
    body = batch(text, "a", "a", "a")
    tasks: Any = body["tasks"]
    tasks[0]["data"]["classes"] = ["red"]
    tasks[1]["data"]["classes"] = [{"value": "x", "prompt": "blue"}]
    first, second, third = Backend().predict(body)
    assert said(first) == [("poly", ("red",))]
    assert said(second) == [("poly", ("x",))]
    assert third.failure is not None
    assert first.model_version == second.model_version


def test_each_control_gets_what_is_in_its_own_picture() -> None:
    text = config(
        '<PolygonLabels name="p" toName="one"><Label value="red"/></PolygonLabels>',
        '<PolygonLabels name="q" toName="two"><Label value="blue"/></PolygonLabels>',
        image='<Image name="one" value="$left"/><Image name="two" value="$right"/>',
    )
    body = batch(text, "a")
    body["tasks"] = [{"id": 1, "data": {"left": "ring", "right": "a"}}]
    (prediction,) = Backend().predict(body)
    found: list[Any] = [dict(item) for item in prediction.result]
    assert [(item["from_name"], item["to_name"]) for item in found] == [("p", "one"), ("q", "two")]


def test_several_pictures_of_one_tag_are_told_apart() -> None:
    text = config(
        control("PolygonLabels", "poly", "red"), image='<Image name="image" valueList="$pages"/>'
    )
    body = batch(text, "a")
    body["tasks"] = [{"id": 1, "data": {"pages": ["a", "ring"]}}]
    (prediction,) = Backend().predict(body)
    assert [item["item_index"] for item in prediction.result] == [0, 1]


def test_polygons_lie_on_the_picture_as_it_is_shown() -> None:
    pixels = np.full((40, 80, 3), 128, np.uint8)
    pixels[:, 40:] = (255, 0, 0)  # the right half as stored is the lower half when turned
    file = io.BytesIO()
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    PillowImage.fromarray(pixels).save(file, "PNG", exif=exif)
    backend = Backend(files={"turned": file.getvalue()})
    (prediction,) = backend.predict(batch(config(control("RectangleLabels", "r", "red")), "turned"))
    (item,) = (dict(item) for item in prediction.result)
    assert (item["original_width"], item["original_height"]) == (40, 80)
    assert item["value"] == {
        "x": 0, "y": 50, "width": 100, "height": 50, "rotation": 0, "rectanglelabels": ["red"],
    }  # fmt: skip


def choices(attributes: str, *values: str) -> str:
    inside = "".join(f"<Choice {value}/>" for value in values)
    return f'<Choices name="c" toName="image" {attributes}>{inside}</Choices>'


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (choices("", 'value="good"', 'value="bad"'), []),
        (
            choices('choice="multiple"', 'value="blue"', 'value="red"', 'value="green"'),
            ["red", "blue"],
        ),
        (choices('choice="single"', 'value="red"', 'value="blue"'), ["red"]),
        (choices("", 'value="warm" prompt="red"', 'value="cold" prompt="green"'), ["warm"]),
        (choices("", 'value="lawn" prompt="green"'), []),
    ],
)
def test_choices_hold_where_what_they_name_is_in_the_picture(tag: str, expected: list[str]) -> None:
    pixels = np.full((64, 96, 3), 128, np.uint8)
    pixels[8:40, 8:40] = (255, 0, 0)
    pixels[16:40, 56:88] = (0, 0, 255)
    backend = Backend(files={"a": png_of(pixels)})
    text = config(control("PolygonLabels", "poly", "red", "blue"), tag)
    (prediction,) = backend.predict(batch(text, "a"))
    found: list[Any] = [item["value"] for item in prediction.result if item["type"] == "choices"]
    assert [value["choices"] for value in found] == ([expected] if expected else [])


def test_a_repeat_goes_on_where_the_first_request_was_given_up() -> None:
    backend = Backend()
    request = PredictRequest.parse(batch(POLYGONS, "a", "ring"))
    with pytest.raises(Cancelled):
        backend.suggester.predict(request, lambda: backend.answers.counts.entries >= 1)
    assert backend.answers.counts.entries == 1
    backend.suggester.predict(request, lambda: False)
    counts = backend.answers.counts
    assert (counts.entries, counts.hits) == (2, 1)


def test_a_picture_that_changed_behind_its_address_is_looked_at_again() -> None:
    backend = Backend()
    (before,) = backend.predict(batch(POLYGONS, "a"))
    backend.files["a"] = RING
    (after,) = backend.predict(batch(POLYGONS, "a"))
    assert len(before.result) == 2
    assert len(after.result) == 1


def test_a_repeated_answer_has_new_region_ids() -> None:
    backend = Backend()
    first, second = (backend.predict(batch(POLYGONS, "a"))[0] for _ in range(2))
    assert backend.answers.counts.hits == 1
    assert said(first) == said(second)
    assert not {item["id"] for item in first.result} & {item["id"] for item in second.result}


def test_threads_and_projects_get_each_their_own_answers() -> None:
    backend = Backend()
    other = config(control("BrushLabels", "b2", "blue"))
    bodies = [batch(POLYGONS, "a", project="1.0"), batch(other, "a", project="2.0")] * 4
    expected = [[("poly", ("red",)), ("poly", ("blue",))], [("b2", ("blue",))]] * 4
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(backend.predict, bodies))
    assert [said(prediction) for (prediction,) in found] == expected


def version(text: str = POLYGONS, options: SuggestOptions = PLAIN, **extra: object) -> str:
    return Backend(options=options).suggester.model_version(text, extra)


def test_the_version_of_a_setup_is_that_of_its_predictions() -> None:
    backend = Backend()
    announced = backend.suggester.model_version(POLYGONS, {"contrast": "none"}, "3.17")
    predictions = backend.predict(batch(POLYGONS, "a", "gone"))
    assert {prediction.model_version for prediction in predictions} == {announced}
    assert announced != version()


def test_the_version_loads_no_weights_that_are_on_this_machine() -> None:
    backend = Backend()
    backend.sessions.model = "naclip@mini"
    backend.suggester.model_version(POLYGONS, {}, "3.17")
    assert backend.sessions.asked == 0


def test_weights_that_were_told_apart_at_the_start_are_not_looked_up_again() -> None:
    backend = Backend()
    backend.sessions.model = "naclip@mini"
    backend.suggester.find_weights()
    before = backend.suggester.model_version(POLYGONS, {}, "3.17")
    # Whoever looked again would find nothing, and would have to ask the session.
    backend.sessions.model = "naclip@/nowhere/at/all"
    after = backend.suggester.model_version(POLYGONS, {}, "3.17")
    assert backend.sessions.asked == 0
    assert after != before  # the name of the model is a part of it


def test_weights_that_nobody_knows_yet_stop_no_start() -> None:
    backend = Backend()
    backend.sessions.model = "naclip@/nowhere/at/all"
    backend.suggester.find_weights()
    backend.suggester.model_version(POLYGONS, {}, "3.17")
    assert backend.sessions.asked == 1


def test_the_version_changes_with_whatever_changes_answers() -> None:
    changed = [
        version(),
        version(POLYGONS.replace('"red"', '"green"')),
        version(POLYGONS.replace('"red"', '"red" prompt="scarlet"')),
        version(POLYGONS.replace('"red"', '"red" threshold="0.4"')),
        version(POLYGONS.replace("PolygonLabels", "BrushLabels")),
        version(POLYGONS, replace(PLAIN, annotate=AnnotateOptions(contrast="none"))),
        version(POLYGONS, replace(PLAIN, holes="fill")),
        version(POLYGONS, replace(PLAIN, session="sigma=3")),
        version(threshold=0.3),
    ]
    assert len(set(changed)) == len(changed)


def test_the_version_does_not_change_with_what_only_people_see() -> None:
    seen = POLYGONS.replace('"red"', '"red" background="red" hotkey="r"')
    assert version(seen) == version(POLYGONS.replace("<View>", "<View><Header value='x'/>"))
    assert version(seen) == version(maximum_pixels=1) == version()


def test_other_weights_are_another_version() -> None:
    one, other = (
        Backend(FakeEngine().with_card(weights_digest=digest * 64)).predict(batch(POLYGONS, "a"))
        for digest in ("1", "2")
    )
    assert one[0].model_version != other[0].model_version


def test_parameters_of_a_project_hold_for_it_alone() -> None:
    backend = Backend()
    backend.suggester.model_version(POLYGONS, {"minimum_area": 2000}, "1.0")
    (mine,) = backend.predict(batch(POLYGONS, "a", project="1.0"))
    (other,) = backend.predict(batch(POLYGONS, "a", project="2.0"))
    assert mine.result == ()
    assert len(other.result) == 2


def test_parameters_that_mean_nothing_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    backend = Backend()
    for _ in range(3):
        backend.suggester.model_version(POLYGONS, {"hello": "world"}, "1.0")
    assert [record.getMessage().count("'hello'") for record in caplog.records] == [1]
    with pytest.raises(OptionError):
        backend.suggester.model_version(POLYGONS, {"threshold": "high"}, "1.0")


def test_pictures_of_the_next_tasks_are_fetched_while_one_is_in_work() -> None:
    backend = Backend()
    fetched = threading.Event()
    begin = backend.images.fetch

    def fetch(reference: str, task_id: int | None) -> bytes:
        if reference == "ring":
            fetched.set()
        return begin(reference, task_id)

    backend.images.fetch = fetch  # type: ignore[method-assign]
    waited: list[bool] = []

    class Waiting(Answers):
        """The first task is not answered before the picture of the second was asked for."""

        def answer(self, key: str, make: Any) -> Prediction:
            waited.append(fetched.wait(60))
            return super().answer(key, make)

    suggester = Suggester(backend.sessions, backend.images, PLAIN, Waiting())
    suggester.predict(PredictRequest.parse(batch(POLYGONS, "a", "ring")), lambda: False)
    assert waited == [True, True]


def test_typed_words_are_part_of_the_version_of_their_project_alone() -> None:
    backend = Backend()
    before = backend.suggester.model_version(EVERY_CONTROL, {}, "1.0")
    body = interactive(EVERY_CONTROL, "a", typed("red: green")) | {"project": "1.0"}
    backend.predict(body)
    assert backend.suggester.model_version(EVERY_CONTROL, {}, "1.0") != before
    assert backend.suggester.model_version(EVERY_CONTROL, {}, "2.0") == before
