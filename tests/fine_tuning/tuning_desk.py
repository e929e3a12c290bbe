"""A project with corrected pictures and a head so small that it is fine-tuned in a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.catalog import open_engine
from ovseg_annotate.devices import Placement
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.fine_tuning.beginning import begin
from ovseg_annotate.fine_tuning.concluding import conclude
from ovseg_annotate.fine_tuning.options import FineTuneOptions
from ovseg_annotate.fine_tuning.outcome import FineTuned
from ovseg_annotate.fine_tuning.working import work
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import Image, from_array
from ovseg_annotate.learning_loop.corrections import Correction, correction_of
from ovseg_annotate.learning_loop.project import Asked, Project
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.session import Session
from ovseg_annotate.training.progress import Progress
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

WORDS = Vocabulary.parse("cat; dog; -red")
OPTIONS = AnnotateOptions(contrast="none", refine=RefineOptions(method="none"), threshold=0.0)
QUICK = FineTuneOptions(steps=20, learning_rate=0.05, windows=4, score_every=5)
SIDE = 64
COLOURS = {"cat": (220, 30, 30), "dog": (30, 60, 220)}
GROUND = (90, 200, 90)
NAMES = tuple(f"{number}.png" for number in range(8))


def places(name: str) -> dict[str, NDArray[np.bool_]]:
    """Where a picture shows its cat and its dog: halves of it, changing places."""
    number = int(name.removesuffix(".png"))
    cat, dog = (np.zeros((SIDE, SIDE), np.bool_) for _ in range(2))
    top = 8 * (number % 3)
    cat[top : top + 40, :24], dog[top : top + 40, 40:] = True, True
    return {"cat": dog, "dog": cat} if number % 2 else {"cat": cat, "dog": dog}


def picture(name: str) -> Image:
    pixels = np.full((SIDE, SIDE, 3), GROUND, np.uint8)
    for concept, where in places(name).items():
        pixels[where] = COLOURS[concept]
    return from_array(pixels)


def correction(name: str, *, accepted: bool = True) -> Correction:
    """Somebody draws the cat and the dog where nothing was suggested."""
    regions = tuple(Region(each, (), Mask.of(where)) for each, where in places(name).items())
    left = AnnotatedImage(name, Size(SIDE, SIDE), regions, WORDS, None)
    return correction_of(None, left, accepted=accepted)


def session_of(model: str) -> Session:
    engine = open_engine(model, offline=True)
    where = Placement(torch.device("cpu"), torch.float32)
    return Session(engine, where, FeatureStore(), model=model)


ASKED = Asked(WORDS, OPTIONS, picture)


def answered(project: Project, names: Sequence[str] = NAMES) -> None:
    for name in names:
        project.take(correction(name))


def fine_tune(
    project: Project,
    session: Session,
    options: FineTuneOptions = QUICK,
    watch: Watch | None = None,
) -> FineTuned:
    """From the beginning, or from where it was stopped, to the end."""
    watch = watch or Watch()
    begun = begin(project, session, ASKED, options, watch)
    if isinstance(begun, FineTuned):
        return begun
    work(begun, session, options, watch)
    return conclude(project, session, begun)


def labels(session: Session, name: str) -> NDArray[np.unsignedinteger]:
    return session.annotate(picture(name), WORDS, OPTIONS).label_map.labels


def share_right(session: Session, name: str) -> float:
    """Of the pixels of cat and dog."""
    found, where = labels(session, name), places(name)
    right = sum((found[where[each]] == WORDS.names.index(each) + 1).sum() for each in where)
    return float(right / sum(each.sum() for each in where.values()))


class StopAfter:
    """Wants to stop once the training has told of a step."""

    def __init__(self, step: int) -> None:
        self._step = step
        self._reached = 0

    def look(self, progress: Progress) -> None:
        self._reached = progress.step

    @property
    def watch(self) -> Watch:
        return Watch(cancel=lambda: self._reached >= self._step)
