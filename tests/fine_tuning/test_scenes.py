"""The bundled head on held-out scenes: what ten corrected pictures bring to all others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.datasets.scenes import HeldOut, Scene, held_out_scene, semantic_map
from ovseg_annotate.evaluation.confusion import Confusion
from ovseg_annotate.fine_tuning.beginning import begin
from ovseg_annotate.fine_tuning.concluding import conclude
from ovseg_annotate.fine_tuning.options import FineTuneOptions
from ovseg_annotate.fine_tuning.working import work
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import from_array
from ovseg_annotate.learning_loop.corrections import Correction, correction_of
from ovseg_annotate.learning_loop.project import Asked, Project
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.vocabulary import Concept, Vocabulary
from ovseg_annotate.watch import Watch

CORRECTED, OTHERS = 10, 8
SCENES = tuple(
    held_out_scene(HeldOut.MICROSCOPY, "any", number) for number in range(CORRECTED + OTHERS)
)
NAMES = tuple(sorted({region.name for scene in SCENES for region in scene.regions}))
# Every third word is one that the model was never taught: the second, the fifth and so on, since
# the third is in hardly any of these pictures.
WORDS = Vocabulary(
    tuple(
        Concept(name, (f"zorble {number}",) if number % 3 == 1 else ())
        for number, name in enumerate(NAMES)
    )
)
OPTIONS = AnnotateOptions()


def truth(scene: Scene) -> NDArray[np.int64]:
    return semantic_map(scene, NAMES).astype(np.int64)


def corrected(number: int) -> Correction:
    labels = truth(SCENES[number])
    regions = tuple(
        Region(NAMES[label - 1], (), Mask.of(labels == label))
        for label in np.unique(labels[labels > 0]).tolist()
    )
    image = AnnotatedImage(f"{number}", Size(*labels.shape), regions, WORDS, None)
    return correction_of(None, image, accepted=True)


def score_on_others(session: Session) -> float:
    total = Confusion.empty(len(WORDS))
    for scene in SCENES[CORRECTED:]:
        found = session.annotate(from_array(scene.pixels), WORDS, OPTIONS).label_map.labels
        total += Confusion.of(truth(scene), found.astype(np.int64), len(WORDS))
    return total.mean_iou


@pytest.mark.soak  # minutes; benchmarks/fine_tuning.py measures the same
def test_ten_corrected_scenes_make_the_head_better_on_others(tmp_path: Path) -> None:
    session = open_session("catseg@mini", device="cpu", precision="float32")
    asked = Asked(WORDS, OPTIONS, lambda name: from_array(SCENES[int(name)].pixels))
    options = FineTuneOptions(steps=60)
    before = score_on_others(session)
    with Project(tmp_path) as project:
        for number in range(CORRECTED):
            project.take(corrected(number))
        folder = begin(project, session, asked, options, Watch())
        assert isinstance(folder, Path)
        work(folder, session, options, Watch())
        outcome = conclude(project, session, folder)
        assert outcome.name, outcome.sentence
        assert project.current is not None
        assert project.versions.path_of(outcome.name).stat().st_size < 10_000_000
        after = score_on_others(session.taught(project.current.lesson))
    assert after > before + 0.05
