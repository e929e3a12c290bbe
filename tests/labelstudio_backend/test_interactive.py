"""A person at work on one task: words that are typed, and what stays of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fake_engine import FakeEngine
from suggesting import (
    EVERY_CONTROL,
    PLAIN,
    Backend,
    batch,
    config,
    control,
    interactive,
    picture,
    typed,
)

from labelstudio_backend.suggest_options import with_extra_params
from labelstudio_backend.wire import Prediction, PredictRequest
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.label_studio_results import regions_of_results
from ovseg_annotate.geometry import Size
from ovseg_annotate.regions import mask_of

POLYGONS = config(
    control("PolygonLabels", "poly", "red", "blue"),
    '<TextArea name="prompt" toName="image"/>',
)
GREEN = picture({"green": (slice(8, 40), slice(8, 40)), "red": (slice(16, 48), slice(56, 88))})


def labels(prediction: Prediction) -> list[str]:
    found: list[Any] = [item["value"] for item in prediction.result]
    return [value["polygonlabels"][0] for value in found]


def boxes(prediction: Prediction) -> list[list[float]]:
    """(left, right) of every polygon, in rounded percent."""
    found: list[Any] = [item["value"] for item in prediction.result]
    across = [[x for x, _ in value["points"]] for value in found]
    return [[round(min(xs)), round(max(xs))] for xs in across]


def ask(backend: Backend, text: str, project: str = "3.17", reference: str = "a") -> Prediction:
    body = interactive(POLYGONS, reference, typed([text])) | {"project": project}
    (prediction,) = backend.predict(body)
    return prediction


@pytest.fixture
def backend() -> Backend:
    return Backend(files={"a": GREEN, "b": GREEN})


def test_a_typed_phrase_is_shown_with_the_labels_of_the_project(backend: Backend) -> None:
    found = ask(backend, "blue: green")
    assert (labels(found), boxes(found)) == (["blue"], [[8, 42]])


def test_only_the_labels_that_were_meant_are_shown_while_all_compete(backend: Backend) -> None:
    assert labels(ask(backend, "red")) == ["red"]


def test_typed_words_go_into_every_control_of_their_label() -> None:
    backend = Backend(files={"a": GREEN})
    (found,) = backend.predict(interactive(EVERY_CONTROL, "a", typed("red: green")))
    assert [item["from_name"] for item in found.result] == ["poly", "brush", "rect"]


def covers(prediction: Prediction, x: int, y: int) -> bool:
    """Whether any polygon covers a pixel."""
    items = Field([dict(item) for item in prediction.result], "items")
    masks = [mask_of(region, Size(64, 96)) for region in regions_of_results(items)]
    whole = np.zeros((64, 96), bool)
    for mask in masks:
        whole[mask.box.slices] |= mask.array()
    return bool(whole[y, x])


def test_what_is_typed_behind_a_minus_takes_its_pixels_away() -> None:
    options = with_extra_params(PLAIN, {"contrast": "none"}).options
    backend = Backend(files={"a": GREEN}, options=options)
    everything, less = ask(backend, "blue: grey"), ask(backend, "blue: grey; -green")
    assert [covers(found, x=4, y=4) for found in (everything, less)] == [True, True]
    assert [covers(found, x=20, y=20) for found in (everything, less)] == [True, False]


def test_typed_words_hold_for_the_next_tasks_of_the_project(backend: Backend) -> None:
    (before,) = backend.predict(batch(POLYGONS, "b"))
    assert labels(before) == ["red"]
    ask(backend, "blue: green")
    announced = backend.suggester.model_version(POLYGONS, {}, "3.17")
    (after,) = backend.predict(batch(POLYGONS, "b"))
    assert sorted(labels(after)) == ["blue", "red"]
    assert after.model_version == announced != before.model_version


def test_typed_words_do_not_reach_other_projects(backend: Backend) -> None:
    ask(backend, "blue: green", project="1.0")
    (other,) = backend.predict(batch(POLYGONS, "b", project="2.0"))
    assert labels(other) == ["red"]


def test_typing_the_name_of_a_label_brings_its_own_words_back(backend: Backend) -> None:
    version = backend.suggester.model_version(POLYGONS, {}, "3.17")
    ask(backend, "blue: green")
    ask(backend, "blue")
    assert backend.suggester.model_version(POLYGONS, {}, "3.17") == version


def test_a_project_may_choose_to_forget_what_was_typed() -> None:
    options = with_extra_params(PLAIN, {"remember_prompts": "no"}).options
    backend = Backend(files={"a": GREEN}, options=options)
    version = backend.suggester.model_version(POLYGONS, {}, "3.17")
    assert labels(ask(backend, "blue: green")) == ["blue"]
    assert backend.suggester.model_version(POLYGONS, {}, "3.17") == version


def test_words_of_a_request_that_names_no_project_are_not_remembered(backend: Backend) -> None:
    ask(backend, "blue: green", project="")
    (found,) = backend.predict(batch(POLYGONS, "b", project=""))
    assert labels(found) == ["red"]


def test_another_word_on_the_same_picture_runs_on_kept_features() -> None:
    engine = FakeEngine()
    backend = Backend(engine, files={"a": GREEN})
    ask(backend, "red")
    encoded = engine.encoded_windows
    assert encoded > 0
    ask(backend, "blue: green")
    backend.predict(batch(POLYGONS, "a"))
    assert engine.encoded_windows == encoded


def test_the_empty_context_after_a_submit_costs_nothing() -> None:
    backend = Backend(files={})
    (found,) = backend.predict(interactive(POLYGONS, "a"))
    assert found.to_json() == {
        "result": [],
        "score": 0.0,
        "model_version": found.model_version,
    }
    assert found.failure is None
    assert backend.images.fetched == []


@pytest.mark.parametrize(
    ("reference", "text", "said"),
    [("gone", "red", "not there"), ("a", "x" * 3000, "3000 characters"), ("a", ";", "no words")],
)
def test_what_cannot_be_answered_is_an_empty_result_with_a_reason(
    backend: Backend, reference: str, text: str, said: str
) -> None:
    found = ask(backend, text, reference=reference)
    assert found.failure is not None
    assert said in found.failure
    assert isinstance(found.to_json(), dict)


def test_text_for_a_picture_that_the_config_does_not_have_is_no_answer(backend: Backend) -> None:
    item = typed("red") | {"to_name": "other"}
    (found,) = backend.predict(interactive(POLYGONS, "a", item))
    assert found.failure is not None
    assert "no picture" in found.failure


def test_the_answer_to_a_person_is_not_kept(backend: Backend) -> None:
    first, second = ask(backend, "red"), ask(backend, "red")
    assert first.result[0]["id"] != second.result[0]["id"]
    assert backend.answers.counts.entries == 0


def test_it_works_with_no_setup_before_it() -> None:
    body = interactive(POLYGONS, "a", typed("red"))
    fresh = Backend(files={"a": GREEN})
    (found,) = fresh.suggester.predict(PredictRequest.parse(body), lambda: False)
    assert labels(found) == ["red"]


def test_what_is_shown_is_what_the_session_finds_whatever_is_left_out() -> None:
    options = with_extra_params(PLAIN, {"polygons": "gap-free"}).options
    both = Backend(files={"a": GREEN}, options=options), Backend(files={"a": GREEN})
    for backend in both:
        found = ask(backend, "blue: green; red")
        assert sorted(zip(labels(found), map(tuple, boxes(found)), strict=True)) == [
            ("blue", (8, 42)),
            ("red", (58, 92)),
        ]
        only = ask(backend, "blue: green")
        assert (labels(only), boxes(only)) == (["blue"], [[8, 42]])
