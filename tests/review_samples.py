"""Folders to review, and a model whose answers are known: red is where a picture is red."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from annotated_samples import picture_file
from cli.fake_annotator import outcome_of

from napari_plugin.monitor import Monitor
from napari_plugin.preferences import Preferences
from napari_plugin.review_suggesting import Opened, SuggestRequest
from ovseg_annotate.annotation import Outcome
from ovseg_annotate.errors import Cancelled
from ovseg_annotate.run_folder import RunSettings
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
