"""From corrections to weights of phrases, and back again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_samples import OPTIONS, picture
from phrase_samples import WORDS, asked, corrected, overlap
from vector_engine import CPU, VECTOR_CARD, VectorEngine, vector_session

from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.learning_loop.project import LearnOptions, Project, Verdict
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

LEAF, WHITE = WORDS.names.index("leaf"), WORDS.names.index("white")


def learnt(
    folder: Path, session: Session, *seeds: int, options: LearnOptions | None = None
) -> Verdict:
    with Project(folder) as project:
        for seed in seeds:
            project.take(corrected(session, seed))
        return project.refresh(session, asked(), options)


def taught_by(folder: Path, session: Session) -> Session:
    with Project(folder) as project:
        return session.taught(None if project.current is None else project.current.lesson)


def weights_alone(folder: Path, session: Session) -> Session:
    """Without what is added to them."""
    learnt = taught_by(folder, session).lesson
    assert learnt is not None
    nothing, nowhere = np.zeros_like(learnt.offsets), np.zeros((0, 0), np.float32)
    lifts = np.zeros((0, len(learnt.concepts)), np.float32)
    return session.taught(replace(learnt, offsets=nothing, anchors=nowhere, lifts=lifts))


def scores(session: Session) -> torch.Tensor:
    words = session._taught_words(WORDS, "none", None)
    return session._scorer.scores(picture(5), words.bank, OPTIONS, Watch(), words.shifts).values


def trials(verdict: Verdict) -> list[tuple[str, tuple[str, ...]]]:
    assert verdict.judgement is not None
    return [(each.way, each.weighed) for each in verdict.judgement.trials]


def test_a_phrase_that_misled_is_found_and_named(tmp_path: Path) -> None:
    session = vector_session()
    assert overlap(session, 9) < 0.9
    verdict = learnt(tmp_path, session, 0, 1, 2)
    assert verdict.version is not None
    weights = {each.phrase: each.weight for each in verdict.version.card.phrases}
    assert weights["blue"] < 0.5
    assert weights["green"] > 1
    assert "; phrases that count less: 'blue' for leaf (0." in verdict.sentence
    assert overlap(taught_by(tmp_path, session), 9) > 0.95
    assert verdict.version.lesson.phrases == verdict.version.card.phrases


def test_weights_are_tried_first_and_the_best_way_without_them_last(tmp_path: Path) -> None:
    found = trials(learnt(tmp_path, vector_session(), 0, 1, 2))
    assert found[0] == ("phrases", ("leaf",))
    assert all(weighed == ("leaf",) for _, weighed in found[:-1])
    assert found[-1][1] == ()


def test_weights_alone_are_better_than_the_words(tmp_path: Path) -> None:
    session = vector_session()
    verdict = learnt(tmp_path, session, 0, 1, 2)
    assert verdict.judgement is not None
    assert verdict.judgement.base is not None
    assert verdict.judgement.trials[0].quality > verdict.judgement.base + 0.05
    assert overlap(weights_alone(tmp_path, session), 9) > overlap(session, 9) + 0.05


def test_scores_of_what_nobody_corrected_stay_to_the_bit(tmp_path: Path) -> None:
    """Nothing here is white, so that no answer names it."""
    session = vector_session()
    learnt(tmp_path, session, 0, 1, 2)
    before, after = scores(session), scores(weights_alone(tmp_path, session))
    assert torch.equal(before[WHITE], after[WHITE])
    assert not torch.equal(before[LEAF], after[LEAF])


def test_undone_it_is_as_it_was(tmp_path: Path) -> None:
    session = vector_session()
    before = session.annotate(picture(9), WORDS, OPTIONS)
    learnt(tmp_path, session, 0, 1, 2)
    with Project(tmp_path) as project:
        assert project.roll_back() == ""
    after = taught_by(tmp_path, session).annotate(picture(9), WORDS, OPTIONS)
    assert after.provenance == before.provenance
    assert np.array_equal(after.label_map.confidence, before.label_map.confidence)


def test_a_version_with_weights_is_judged_against_the_next_one(tmp_path: Path) -> None:
    session = vector_session()
    first = learnt(tmp_path, session, 0, 1, 2)
    verdict = learnt(tmp_path, session, 3)
    assert verdict.version is None
    assert verdict.judgement is not None
    assert verdict.judgement.present == pytest.approx(first.judgement.best.quality, abs=0.02)  # type: ignore[union-attr]


def test_the_same_corrections_give_the_same_weights_whatever_the_order(tmp_path: Path) -> None:
    session = vector_session()
    one = learnt(tmp_path / "a", session, 0, 1, 2).version
    other = learnt(tmp_path / "b", session, 2, 0, 1, 0).version
    assert one is not None
    assert other is not None
    assert one.card.digest == other.card.digest
    assert one.card.phrases == other.card.phrases


def test_held_for_ever_they_stay_equal(tmp_path: Path) -> None:
    verdict = learnt(tmp_path, vector_session(), 0, 1, 2, options=LearnOptions(hold=float("inf")))
    assert all(weighed == () and way != "phrases" for way, weighed in trials(verdict))


def test_an_engine_whose_phrases_cannot_be_told_apart_learns_without_weights(
    tmp_path: Path,
) -> None:
    blind = Session(VectorEngine(replace(VECTOR_CARD, pointable=False)), CPU, FeatureStore())
    assert trials(learnt(tmp_path, blind, 0, 1)) == [("offsets", ())]


def test_concepts_of_one_phrase_each_learn_as_ever(tmp_path: Path) -> None:
    words = Vocabulary.parse("leaf: green; red; -black")
    session = vector_session()
    with Project(tmp_path) as project:
        for seed in (0, 1):
            project.take(corrected(session, seed, words))
        verdict = project.judge(session, asked(words))
    assert "phrases" not in [way for way, _ in trials(verdict)]


def test_the_bundled_model_tells_phrases_apart() -> None:
    from ovseg_annotate.learning_loop.material import Columns  # noqa: PLC0415

    words = Vocabulary.parse("disc: disc, red ball; cell; -background")
    for rule in ("max", "sum"):
        with open_session("naclip@mini", device="cpu", engine_options={"fold": rule}) as session:
            found = session.evidence(picture(0), words, OPTIONS, (0, 0, 64, 64))
            columns = Columns.of(words, session.card.folds)
            assert found.phrases is not None
            assert columns.phrasing is not None
            folded = columns.phrasing.folded(found.phrases.astype(np.float64))
            single = session.evidence(
                picture(0), Vocabulary.parse("disc; cell; -background"), OPTIONS, (0, 0, 64, 64)
            )
        # What phrases add to a concept is told alike inside it and beside it.
        more = found.log_odds[:, 0] - found.log_odds[:, 1]
        less = single.log_odds[:, 0] - single.log_odds[:, 1]
        assert np.allclose(more - less, folded - found.phrases[:, 0], atol=1e-3)
