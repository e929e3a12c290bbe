"""A suggester on an engine with known scores, and pictures that lie in memory."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from fake_engine import FakeEngine
from numpy.typing import NDArray
from PIL import Image as PillowImage

from labelstudio_backend.answers import Answers
from labelstudio_backend.suggest_options import SuggestOptions
from labelstudio_backend.suggester import Suggester
from labelstudio_backend.wire import Prediction, PredictRequest
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.devices import placement
from ovseg_annotate.errors import ImageError
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.session import Session

PLAIN = SuggestOptions(annotate=AnnotateOptions(contrast="grey"))

# The config that was exercised end to end, with every control.
EVERY_CONTROL = """<View>
  <Image name="image" value="$image" zoom="true"/>
  <TextArea name="prompt" toName="image" editable="true" rows="1" maxSubmissions="1"/>
  <Choices name="quality" toName="image" choice="single">
    <Choice value="good"/><Choice value="bad"/>
  </Choices>
  <PolygonLabels name="poly" toName="image" smart="true">
    <Label value="red" background="red"/><Label value="blue" background="blue"/>
  </PolygonLabels>
  <BrushLabels name="brush" toName="image" smart="true">
    <Label value="red" background="red"/><Label value="blue" background="blue"/>
  </BrushLabels>
  <RectangleLabels name="rect" toName="image" smart="true">
    <Label value="red" background="red"/><Label value="blue" background="blue"/>
  </RectangleLabels>
  <KeyPointLabels name="kp" toName="image" smart="true">
    <Label value="red" smart="true" background="red"/>
    <Label value="blue" smart="true" background="blue"/>
  </KeyPointLabels>
</View>"""


def config(*controls: str, image: str = '<Image name="image" value="$image"/>') -> str:
    return f"<View>{image}{''.join(controls)}</View>"


def control(tag: str, name: str, *labels: str, attributes: str = "") -> str:
    """A control tag; a label is a name or a whole tag."""
    inside = "".join(
        label if label.startswith("<") else f'<Label value="{label}"/>' for label in labels
    )
    return f'<{tag} name="{name}" toName="image" {attributes}>{inside}</{tag}>'


def picture(colours: Mapping[str, tuple[slice, slice]], size: tuple[int, int] = (64, 96)) -> bytes:
    """A grey PNG with rectangles of colour."""
    rgb = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "grey": (128, 128, 128)}
    pixels = np.full((*size, 3), 128, np.uint8)
    for colour, where in colours.items():
        pixels[where] = rgb[colour]
    return png_of(pixels)


def png_of(pixels: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    PillowImage.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


TWO_SQUARES = picture({"red": (slice(8, 40), slice(8, 40)), "blue": (slice(16, 48), slice(56, 88))})
RING = picture({"red": (slice(0, 64), slice(0, 64)), "grey": (slice(16, 48), slice(16, 48))})


@dataclass
class OpenedSession:
    """A session that is there at once."""

    opened: Session
    model: str = "fake@none"
    asked: int = 0

    def session(self) -> Session:
        self.asked += 1
        return self.opened


@dataclass
class PicturesInMemory:
    """Task pictures by reference."""

    files: Mapping[str, bytes]
    fetched: list[str] = field(default_factory=list)

    def fetch(self, reference: str, task_id: int | None) -> bytes:
        self.fetched.append(reference)
        if reference not in self.files:
            raise ImageError(f"task {task_id}: the picture is not there")
        return self.files[reference]


@dataclass
class Backend:
    """A suggester with everything behind it."""

    engine: FakeEngine = field(default_factory=FakeEngine)
    options: SuggestOptions = PLAIN
    files: dict[str, bytes] = field(default_factory=lambda: {"a": TWO_SQUARES, "ring": RING})
    answers: Answers = field(default_factory=Answers)

    def __post_init__(self) -> None:
        where = placement("cpu", "float32", half_precision=False)
        self.sessions = OpenedSession(Session(self.engine, where, FeatureStore()))
        self.images = PicturesInMemory(self.files)
        self.suggester = Suggester(self.sessions, self.images, self.options, self.answers)

    def predict(self, body: object) -> tuple[Prediction, ...]:
        return self.suggester.predict(PredictRequest.parse(body), lambda: False)


def batch(label_config: str, *references: object, project: str = "3.17") -> dict[str, object]:
    """The body of /predict for tasks with these pictures."""
    tasks = [{"id": number, "data": {"image": each}} for number, each in enumerate(references)]
    return {
        "tasks": tasks,
        "project": project,
        "label_config": label_config,
        "params": {"login": None, "password": None, "context": None},
    }


def interactive(label_config: str, reference: str, *items: object) -> dict[str, object]:
    """The body of /predict for what a person did on one task."""
    params = {"login": None, "password": None, "context": {"result": list(items)}}
    return batch(label_config, reference) | {"params": params}


def typed(text: str | list[str]) -> dict[str, object]:
    return {
        "value": {"text": text},
        "id": "GpoO33aKUq",
        "from_name": "prompt",
        "to_name": "image",
        "type": "textarea",
        "origin": "manual",
    }
