"""What fine-tuning of a head on ten corrected pictures is worth, on pictures that nobody corrected.

Prints JSON lines {name, value, target, unit, reached}. Held-out microscopy, of which the annotator
of `learning_loop.py` corrects ten pictures, asked in two ways: in its own words, which the model
was taught, and with every third of them replaced by one that means nothing to it (the second, the
fifth and so on: the third is in hardly any of these pictures). The others are judged by the model
as it came, after a refresh, and after fine-tuning. In its own words there is little to gain, and
the verdict has to see to it that nothing is lost.

    python benchmarks/fine_tuning.py [--model catseg@mini] [--pictures 20]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from learning_loop import Pool, confusion_of, mended, scene_pool, suggestions, tell

from ovseg_annotate.fine_tuning.beginning import begin
from ovseg_annotate.fine_tuning.concluding import conclude
from ovseg_annotate.fine_tuning.options import FineTuneOptions
from ovseg_annotate.fine_tuning.working import work
from ovseg_annotate.learning_loop.project import Project
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.vocabulary import Concept, Vocabulary
from ovseg_annotate.watch import Watch

CORRECTED = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="catseg@mini")
    parser.add_argument("--pictures", type=int, default=20)
    given = parser.parse_args()
    session = open_session(given.model, device="cpu")
    pool = scene_pool(given.pictures, 0)
    report(session, asked_for(pool, untaught=True), f"{given.model}, untaught words")
    report(session, asked_for(pool, untaught=False), f"{given.model}, its own words")


def asked_for(pool: Pool, *, untaught: bool) -> Pool:
    """The same pictures, every third word one that was never taught, or all as they are."""
    words = tuple(
        Concept(concept.name, (f"zorble {number}",) if untaught and number % 3 == 1 else ())
        for number, concept in enumerate(pool.words)
    )
    return replace(pool, words=Vocabulary(words))


def report(session: Session, pool: Pool, what: str) -> None:
    """As it came, refreshed and fine-tuned."""
    others = rest_of(pool)
    before = confusion_of(others, suggestions(session, others, others.pictures), {}).mean_iou
    with tempfile.TemporaryDirectory() as folder, Project(Path(folder)) as project:
        correct(project, session, pool)
        project.refresh(session, pool.asked)
        refreshed = others_score(project, session, others)
        project.use("")
        spent = fine_tune(project, session, pool)
        tuned = others_score(project, session, others)
        current = project.current
        size = 0 if current is None else project.versions.path_of(in_use(project)).stat().st_size
    what = f"{what}, {CORRECTED} corrected scenes"
    tell(f"{what}: mIoU on the others, as it came", before, "mIoU")
    tell(f"{what}: mIoU on the others, refreshed", refreshed, "mIoU")
    tell(f"{what}: mIoU on the others, fine-tuned", tuned, "mIoU", at_least=before)
    tell(f"{what}: seconds of fine-tuning", spent, "s")
    if size:
        tell(f"{what}: size of the version", size / 1e6, "MB", at_most=10.0)


def rest_of(pool: Pool) -> Pool:
    names = list(pool.pictures)[CORRECTED:]
    return replace(pool, pictures={name: pool.pictures[name] for name in names})


def correct(project: Project, session: Session, pool: Pool) -> None:
    for name in list(pool.pictures)[:CORRECTED]:
        found = session.annotate(pool.pictures[name].image, pool.words)
        project.take(mended(name, pool, found)[0])


def fine_tune(project: Project, session: Session, pool: Pool) -> float:
    """Seconds that it took."""
    start, options = time.perf_counter(), FineTuneOptions()
    folder = begin(project, session, pool.asked, options, Watch())
    if not isinstance(folder, Path):
        raise SystemExit(folder.sentence)
    work(folder, session, options, Watch())
    print(conclude(project, session, folder).sentence, flush=True)
    return time.perf_counter() - start


def others_score(project: Project, session: Session, others: Pool) -> float:
    current = project.current
    taught = session.taught(None if current is None else current.lesson)
    return confusion_of(others, suggestions(taught, others, others.pictures), {}).mean_iou


def in_use(project: Project) -> str:
    return project.versions.in_service.name


if __name__ == "__main__":
    main()
