"""What Label Studio sends, as it was recorded, and what nobody should send."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from suggesting import EVERY_CONTROL, typed

from labelstudio_backend.context import Clicked, Context, Dragged, Typed
from labelstudio_backend.wire import Prediction, PredictRequest, SetupRequest, WireError

SETUP = {
    "project": "3.1795167173",
    "schema": EVERY_CONTROL,
    "hostname": "http://127.0.0.1:18080",
    "access_token": "0" * 40,
    "extra_params": {"hello": "world"},
}
BATCH = {
    "tasks": [
        {
            "id": 5,
            "project": 3,
            "inner_id": 5,
            "meta": {},
            "data": {"image": "http://127.0.0.1:18080/data/local-files/?d=set1/loc2.jpg"},
            "total_annotations": 0,
            "total_predictions": 1,
            "is_labeled": False,
            "overlap": 1,
            "file_upload": None,
            "annotations": [],
            "predictions": [{"id": 5, "task": 5, "score": 0.9, "result": []}],
        }
    ],
    "project": "3.1795167173",
    "label_config": EVERY_CONTROL,
    "params": {"login": None, "password": None, "context": None},
}
KEYPOINT = {
    "original_width": 640,
    "original_height": 480,
    "image_rotation": 0,
    "value": {"x": 25, "y": 30, "width": 0.5, "keypointlabels": ["red"]},
    "is_positive": True,
    "id": "kp1",
    "from_name": "kp",
    "to_name": "image",
    "type": "keypointlabels",
    "origin": "manual",
}
RECTANGLE = KEYPOINT | {
    "type": "rectanglelabels",
    "from_name": "rect",
    "value": {
        "x": 5,
        "y": 60,
        "width": 20,
        "height": 30,
        "rotation": 0,
        "rectanglelabels": ["red"],
    },
}


def asked(*items: object) -> Context:
    params = {"login": None, "password": None, "context": {"result": list(items)}}
    context = PredictRequest.parse(BATCH | {"params": params}).context
    assert context is not None
    return context


def test_a_setup_is_read_without_its_token() -> None:
    found = SetupRequest.parse(SETUP)
    assert (found.project, found.label_config) == ("3.1795167173", EVERY_CONTROL)
    assert found.extra_params == {"hello": "world"}
    assert "0" * 40 not in repr(found)


def test_a_batch_is_read() -> None:
    found = PredictRequest.parse(BATCH)
    assert found.context is None
    assert [(task.id, set(task.data)) for task in found.tasks] == [(5, {"image"})]


@pytest.mark.parametrize("text", ["a red car", ["a red car"]])
def test_typed_text_may_be_one_or_a_list(text: str | list[str]) -> None:
    assert asked(typed(text)).typed == (Typed("image", "a red car"),)


def test_a_click_and_a_box_are_read() -> None:
    found = asked(KEYPOINT, RECTANGLE | {"is_positive": False})
    assert found.clicked == (Clicked("image", "red", 25, 30),)
    assert found.dragged == (Dragged("image", "red", (5, 60), (20, 30), positive=False),)


def test_a_click_may_say_inside_its_value_that_it_is_negative() -> None:
    item: dict[str, Any] = copy.deepcopy(KEYPOINT)
    del item["is_positive"]
    item["value"]["is_positive"] = False
    assert not asked(item).clicked[0].positive


@pytest.mark.parametrize("items", [[], [typed("  ")], [KEYPOINT | {"type": "choices"}]])
def test_a_context_that_says_nothing_is_empty(items: list[object]) -> None:
    assert asked(*items).is_empty


def without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda body: body.pop(name)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("tasks"), "tasks"),
        (without("label_config"), "label_config"),
        (lambda body: body.update(tasks={}), r"tasks.*list"),
        (lambda body: body.update(tasks=[3]), r"tasks\[0\]"),
        (lambda body: body["tasks"][0].pop("data"), r"tasks\[0\].*data"),
        (lambda body: body["tasks"][0].update(data=[]), r"tasks\[0\].data.*object"),
        (lambda body: body["tasks"][0].update(id="5"), r"tasks\[0\].id.*number"),
        (lambda body: body["tasks"][0].update(id=1.5), r"tasks\[0\].id"),
        (lambda body: body.update(label_config=None), "label_config"),
        (lambda body: body.update(project=[]), "project"),
        (lambda body: body.update(params=[]), "params"),
        (lambda body: body["params"].update(context=[]), "context"),
        (lambda body: body["params"].update(context={"result": {}}), r"context.result"),
        (lambda body: body["params"].update(context={"result": [{}]}), "type"),
        (lambda body: body.update(extra_params=[1]), "extra_params"),
        (lambda body: body.update(tasks=[], params={"context": {"result": []}}), "got 0"),
    ],
)
def test_a_wrong_request_names_the_field(
    change: Callable[[dict[str, Any]], object], said: str
) -> None:
    body = copy.deepcopy(BATCH)
    change(body)
    with pytest.raises(WireError, match=said):
        PredictRequest.parse(body)


@pytest.mark.parametrize(
    "value",
    [
        {"x": "1", "y": 2, "keypointlabels": ["red"]},
        {"y": 2},
        {"x": float("nan"), "y": 2},
        {"x": 1e300, "y": 2},
        {"x": 1, "y": 2, "keypointlabels": "red"},
        {"x": 1, "y": 2, "keypointlabels": [1]},
    ],
)
def test_a_wrong_click_is_refused(value: object) -> None:
    with pytest.raises(WireError, match="value"):
        asked(KEYPOINT | {"value": value})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values, st.sampled_from(["tasks", "params", "project", "extra_params", "label_config"]))
def test_any_value_in_any_place_is_read_or_refused(value: object, name: str) -> None:
    for body in (value, BATCH | {name: value}):
        try:
            found = PredictRequest.parse(body)
        except WireError:
            continue
        assert isinstance(found, PredictRequest)


@given(json_values, st.sampled_from(sorted(RECTANGLE)))
def test_any_value_in_a_mark_is_read_or_refused(value: object, name: str) -> None:
    with contextlib.suppress(WireError):
        assert isinstance(asked(RECTANGLE | {name: value}), Context)


def test_a_failure_is_an_empty_list_in_a_batch_and_an_empty_result_in_the_editor() -> None:
    failed = Prediction((), 0.0, "v", failure="no picture")
    assert failed.to_json() == []
    shown = Prediction((), 0.0, "v", failure="no picture", is_interactive=True)
    assert shown.to_json() == {"result": [], "score": 0.0, "model_version": "v"}


def test_new_ids_keep_parts_together() -> None:
    parts = ({"id": "a"}, {"id": "b", "parentID": "a"}, {"id": "c"})
    first, second, third = Prediction(parts, 0.5, "v").renewed().result
    assert second["parentID"] == first["id"]
    assert "parentID" not in first
    assert len({first["id"], second["id"], third["id"], "a", "b", "c"}) == 6
