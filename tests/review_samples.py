"""Folders to review, and a model whose answers are known: red is where a picture is red."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from annotated_samples import picture_file
from cli.fake_annotator import outcome_of
from numpy.typing import NDArray
from vector_engine import CPU, VectorEngine

from napari_plugin.monitor import Monitor
from napari_plugin.preferences import Preferences
from napari_plugin.review_suggesting import Opened, SuggestRequest
from ovseg_annotate.annotation import Outcome
from ovseg_annotate.errors import Cancelled
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.lessons.model_names import split_model
from ovseg_annotate.lessons.version import read_version
from ovseg_annotate.run_folder import RunSettings
from ovseg_annotate.session import Session
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("red; green; -blue")


def folder_of(path: Path, count: int = 3) -> Path:
    """Pictures that are black on the left and red or green on the right."""
    for number in range(count):
        colour = (255, 0, 0) if number % 2 == 0 else (0, 255, 0)
        picture_file(path / f"{number}.png", colour)
    return path


def request(words: Vocabulary = WORDS, *, start: int = 0, replace: bool = False) -> SuggestRequest:
    return SuggestRequest(Preferences(model="fake@none"), words, start, replace)


class FakeModel:
    """An `Opener`; waits before each picture while it is held."""

    def __init__(self, weights: str = "0" * 64) -> None:
        self.weights = weights
        self.annotated: list[str] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def __call__(self, settings: RunSettings, monitor: Monitor) -> Opened:
        words = Vocabulary.parse(settings.vocabulary)

        def annotate(paths: Iterable[Path]) -> Iterator[Outcome]:
            for path in paths:
                while not self.may_go_on.wait(0.01):
                    if monitor.is_stopped():
                        break
                if monitor.is_stopped():
                    raise Cancelled("stopped")
                self.annotated.append(path.name)
                yield outcome_of(path, words)

        return Opened(self.weights, annotate)


class OneModel:
    """A model and all versions that were learnt for it."""

    def __init__(self) -> None:
        self.engine = VectorEngine()
        self._base = Session(self.engine, CPU, FeatureStore(), model="vectors@here")

    def session(self, preferences: Preferences, _monitor: Monitor) -> Session:
        file = split_model(preferences.model)[1]
        return self._base if file is None else self._base.taught(read_version(file).lesson)


def squares(shift: int) -> NDArray[np.uint8]:
    """Yellow squares on blue: a little more red than green, says the engine."""
    pixels = np.zeros((96, 96, 3), np.uint8)
    pixels[..., 2] = 255
    for row in range(8, 96, 32):
        for column in range(8, 96, 32):
            pixels[row : row + 16, column + shift : column + shift + 16] = (255, 230, 0)
    return pixels
