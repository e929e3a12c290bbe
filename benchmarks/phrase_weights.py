"""What learnt weights of phrases are worth where some phrases mislead.

Held-out microscopy with `naclip@mini`, asked for by names and synonyms. Of eight concepts four have
a phrase, too, that means another one, as a list of synonyms from elsewhere may have. A simulated
annotator mends some pictures (`learning_loop.mended`), drawn at random; judged are the pictures
that nobody saw. What is learnt once with weights and once with equal ones differs in nothing else.
Then the same with true synonyms only, where there is nothing to find. And how soon one correction
of a large picture is learnt from, where each concept has four phrases.

    python benchmarks/phrase_weights.py [--pictures 24] [--seeds 3]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from learning_loop import (
    Pool,
    confusion_of,
    mean,
    mended,
    report_one_correction,
    scene_pool,
    suggestions,
    tell,
)

from ovseg_annotate.learning_loop.choice import shuffled
from ovseg_annotate.learning_loop.project import LearnOptions, Project
from ovseg_annotate.lessons.version import Version
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.vocabulary import Vocabulary

TRUE = {
    "nucleus": ("nucleus", "cell nucleus"),
    "cell": ("cell", "cytoplasm"),
    "filament": ("filament", "fiber"),
    "bacterium": ("bacterium", "bacteria"),
    "bead": ("bead", "microbead"),
    "dark background": ("dark background", "dark field"),
    "tissue": ("tissue", "stained tissue"),
    "bright field": ("bright field", "bright background"),
}
WRONG = {
    "nucleus": "cell body",
    "filament": "rod bacterium",
    "bead": "nuclei",
    "tissue": "empty glass slide",
}
CORRECTED = (1, 2, 4, 8)  # pictures


@dataclass(frozen=True, slots=True)
class Learnt:
    """What came of the same corrections."""

    score: float  # mIoU of pictures that nobody saw
    version: Version | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    session = open_session("naclip@mini", device="cpu")
    report_one_correction(session, further=("fish", "open hand", "brick wall"))
    for what in ("with phrases that mislead", "with true synonyms only"):
        words = misleading_words() if what.endswith("mislead") else true_words()
        for corrected in CORRECTED:
            report(session, words, what, corrected, given)


def report(
    session: Session, words: Vocabulary, what: str, corrected: int, given: argparse.Namespace
) -> None:
    before, equal, weighed = [], [], []
    for seed in range(given.seeds):
        pool = scene_pool(given.pictures, first=seed * given.pictures)
        pool = Pool(named_in(words, pool), pool.pictures)
        names = shuffled(pool.pictures, seed)
        seen, others = names[:corrected], names[corrected:]
        before.append(score(session, pool, others))
        equal.append(learnt(session, pool, seen, others, LearnOptions(hold=float("inf"))))
        weighed.append(learnt(session, pool, seen, others, LearnOptions()))
    pictures = f"{corrected} corrected picture{'s' * (corrected > 1)}"
    if corrected == CORRECTED[0]:
        tell(f"phrases: mIoU {what}, nothing learnt", mean(before), "mIoU")
    for how, found in (("equal", equal), ("learnt", weighed)):
        scores = [each.score for each in found]
        tell(f"phrases: mIoU {what}, {pictures}, {how} weights", mean(scores), "mIoU")
    wrong, true = zip(*(halved(each.version) for each in weighed), strict=True)
    if what.endswith("mislead"):
        tell(f"phrases: wrong ones that lost half, {pictures}", mean(wrong), f"of {len(WRONG)}")
    tell(f"phrases: true ones that lost half {what}, {pictures}", mean(true), "phrases")


def learnt(
    session: Session,
    pool: Pool,
    seen: Sequence[str],
    others: Sequence[str],
    options: LearnOptions,
) -> Learnt:
    with tempfile.TemporaryDirectory() as folder, Project(Path(folder)) as project:
        for name, suggested in suggestions(session, pool, seen).items():
            project.take(mended(name, pool, suggested)[0])
        project.refresh(session, pool.asked, options)
        version = project.current
    taught = session.taught(None if version is None else version.lesson)
    return Learnt(score(taught, pool, others), version)


def score(session: Session, pool: Pool, names: Sequence[str]) -> float:
    some = replace(pool, pictures={name: pool.pictures[name] for name in names})
    return confusion_of(some, suggestions(session, some, names), {}).mean_iou


def halved(version: Version | None) -> tuple[int, int]:
    """How many phrases lost half of their weight or more: wrong ones and true ones."""
    less = [] if version is None else [each for each in version.card.phrases if each.weight <= 0.5]
    wrong = sum(each.phrase == WRONG.get(each.concept) for each in less)
    return wrong, len(less) - wrong


def true_words() -> Vocabulary:
    return Vocabulary.parse("; ".join(f"{name}: {', '.join(own)}" for name, own in TRUE.items()))


def misleading_words() -> Vocabulary:
    concepts = [
        replace(each, phrases=(*each.phrases, *((WRONG[each.name],) if each.name in WRONG else ())))
        for each in true_words()
    ]
    return Vocabulary(tuple(concepts))


def named_in(words: Vocabulary, pool: Pool) -> Vocabulary:
    """The words of what a pool shows, in the order of its labels."""
    by_name = {concept.name: concept for concept in words}
    return Vocabulary(tuple(by_name[name] for name in pool.words.names))


if __name__ == "__main__":
    main()
