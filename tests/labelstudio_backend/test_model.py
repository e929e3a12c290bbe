"""The model class under both versions of Label Studio's base class."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from suggesting import EVERY_CONTROL, Backend, batch, typed

from labelstudio_backend.errors import LabelConfigError
from labelstudio_backend.suggester import Suggester

TASKS: Any = batch(EVERY_CONTROL, "a", "gone", "ring")["tasks"]

# It sets torch's way of starting processes for the whole interpreter, which no other test needs.
_LOADED = pytest.importorskip("labelstudio_backend.model", reason="needs label-studio-ml")
OvsegBackend: Any = _LOADED.OvsegBackend


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def model_class(backend: Backend) -> Any:
    """As a stock server has it, with a suggester that is at hand."""

    class Model(OvsegBackend):  # type: ignore[misc]
        def suggester(self) -> Suggester:
            return backend.suggester

    return Model


class SecondVersion:
    """The base class of 2.x: its constructor calls `setup`, and it remembers texts by name."""

    def __init__(self, project_id: str | None = None, label_config: str | None = None) -> None:
        self.project_id = project_id or ""
        self.label_config = label_config
        self.remembered: dict[str, str] = {}
        self.setup()

    def setup(self) -> None: ...

    def set(self, name: str, text: str) -> None:
        self.remembered[name] = text

    def get(self, name: str) -> str | None:
        return self.remembered.get(name)


@pytest.fixture
def second_class(backend: Backend) -> Any:
    """The same methods on the other base class."""
    methods = {name: each for name, each in vars(OvsegBackend).items() if callable(each)}

    def __init__(self: Any, **given: Any) -> None:  # noqa: N807
        self._project, self._config = str(given["project_id"]), given["label_config"]
        SecondVersion.__init__(self, **given)

    own = {"__init__": __init__, "suggester": lambda self: backend.suggester}
    return type("Model", (SecondVersion,), methods | own)


def controls(answers: Any) -> list[list[str]]:
    return [
        [item["from_name"] for item in answer["result"]] if answer else [] for answer in answers
    ]


EXPECTED = [["poly", "poly", "brush", "brush", "rect", "rect"], [], ["poly", "brush", "rect"]]


def test_the_first_version_predicts_as_its_server_calls_it(model_class: Any) -> None:
    model = model_class(label_config=EVERY_CONTROL, train_output={}, hostname="", access_token="")
    answers = model.predict(TASKS, context=None, login=None, password=None)
    assert controls(answers) == EXPECTED
    assert answers[1] == []


def test_the_second_version_predicts_as_its_server_calls_it(second_class: Any) -> None:
    model = second_class(project_id="3.17", label_config=EVERY_CONTROL)
    answers = model.predict(TASKS, context=None, login=None, password=None)
    assert controls(answers) == EXPECTED
    assert model.get("model_version") == answers[0]["model_version"]


def test_a_person_is_answered_with_a_result(model_class: Any) -> None:
    model = model_class(label_config=EVERY_CONTROL)
    (answer,) = model.predict(TASKS[:1], context={"result": [typed("red")]})
    assert controls([answer]) == [["poly", "brush", "rect"]]
    (nothing,) = model.predict(TASKS[1:2], context={"result": [typed("red")]})
    assert nothing["result"] == []


@pytest.mark.parametrize(
    "given", [((), {"event": "ANNOTATION_CREATED"}), (("START_TRAINING", {}), {})]
)
def test_training_is_answered_honestly(model_class: Any, given: Any) -> None:
    answer = model_class(label_config=EVERY_CONTROL).fit(*given[0], **given[1])
    assert answer["trained"] is False
    assert "serve --learn" in answer["reason"]


def test_a_project_without_a_config_is_told_so(model_class: Any) -> None:
    with pytest.raises(LabelConfigError, match="empty"):
        model_class().predict(TASKS)


def test_nothing_but_the_model_class_brings_the_stock_package() -> None:
    code = (
        "import sys, labelstudio_backend.suggester, labelstudio_backend.wire;"
        "sys.exit('label_studio_ml' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
