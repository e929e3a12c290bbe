from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from learning_samples import OPTIONS, WORDS, asked, corrected, overlap, picture
from vector_engine import VECTOR_CARD, VectorEngine, vector_session

from ovseg_annotate.errors import ImageError, VersionError
from ovseg_annotate.learning_loop.project import Asked, LearnOptions, Project, Verdict
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.vocabulary import Vocabulary


def learnt(folder: Path, session: Session, *seeds: int, accepted: bool = False) -> Verdict:
    with Project(folder) as project:
        for seed in seeds:
            project.take(corrected(session, seed, accepted=accepted))
        return project.refresh(session, asked())


def current(folder: Path, session: Session) -> Session:
    with Project(folder) as project:
        return session.taught(None if project.current is None else project.current.lesson)


def test_a_word_that_means_nothing_is_learnt_from_corrections(tmp_path: Path) -> None:
    session = vector_session()
    assert overlap(session, "leaf", 9) < 0.2
    verdict = learnt(tmp_path, session, 0, 1, 2)
    assert verdict.name == "v1-" + verdict.version.card.digest[:8]  # type: ignore[union-attr]
    assert overlap(current(tmp_path, session), "leaf", 9) > 0.75
    assert "better" in verdict.sentence


def test_one_correction_is_enough_to_begin_with(tmp_path: Path) -> None:
    session = vector_session()
    verdict = learnt(tmp_path, session, 0)
    assert "say little of other pictures" in verdict.sentence
    assert overlap(current(tmp_path, session), "leaf", 9) > 0.6


@pytest.mark.parametrize("concept", ["red", "blue"])
@pytest.mark.parametrize("accepted", [False, True])
def test_what_nobody_corrected_stays_as_the_words_have_it(
    tmp_path: Path, concept: str, accepted: bool
) -> None:
    session = vector_session()
    before = overlap(session, concept, 9)
    learnt(tmp_path, session, 0, 1, accepted=accepted)
    assert overlap(current(tmp_path, session), concept, 9) >= before - 0.005


def test_learning_looks_at_no_picture_again(tmp_path: Path) -> None:
    engine = VectorEngine()
    session = Session(engine, vector_session().placement, vector_session().store)
    corrections = [corrected(session, seed) for seed in (0, 1)]
    looked_at = engine.encoded_windows
    with Project(tmp_path) as project:
        for each in corrections:
            project.take(each)
        assert project.refresh(session, asked()).version is not None
        taught = session.taught(project.current.lesson)  # type: ignore[union-attr]
        taught.annotate(picture(0), WORDS, OPTIONS)
    assert engine.encoded_windows == looked_at


def test_the_same_corrections_give_the_same_version_whatever_the_order(tmp_path: Path) -> None:
    session = vector_session()
    one = learnt(tmp_path / "a", session, 0, 1, 2)
    other = learnt(tmp_path / "b", session, 2, 0, 1, 0)
    assert one.version is not None
    assert other.version is not None
    assert one.version.card.digest == other.version.card.digest


def test_nothing_new_is_said_to_be_nothing_new(tmp_path: Path) -> None:
    session = vector_session()
    first = learnt(tmp_path, session, 0, 1)
    again = learnt(tmp_path, session, 0, 1)
    assert again.version is None
    assert again.sentence == f"nothing was corrected since {first.name} was learnt"


def test_who_went_back_has_the_last_word_until_something_is_corrected(tmp_path: Path) -> None:
    session = vector_session()
    learnt(tmp_path, session, 0, 1)
    with Project(tmp_path) as project:
        assert project.roll_back() == ""
        verdict = project.refresh(session, asked())
        assert project.current is None
    assert "somebody went back" in verdict.sentence


def test_what_is_no_better_is_not_put_into_service(tmp_path: Path) -> None:
    session = vector_session()
    learnt(tmp_path, session, 0, 1, 2)
    verdict = learnt(tmp_path, session, 3)
    assert verdict.version is None
    assert verdict.judgement is not None
    assert verdict.judgement.present is not None
    assert "is not better than" in verdict.sentence
    with Project(tmp_path) as project:
        assert project.versions.in_service.name.startswith("v1-")


def test_judging_writes_nothing(tmp_path: Path) -> None:
    session = vector_session()
    with Project(tmp_path) as project:
        project.take(corrected(session, 0))
        before = sorted(tmp_path.rglob("*"))
        assert project.judge(session, asked()).version is not None
        assert sorted(tmp_path.rglob("*")) == before
        assert project.current is None


def test_a_picture_that_is_gone_is_left_out_and_named(tmp_path: Path) -> None:
    session = vector_session()

    def some(name: str) -> object:
        if name == "1.png":
            raise ImageError("1.png is gone")
        return asked().picture(name)

    with Project(tmp_path) as project:
        for seed in (0, 1, 2):
            project.take(corrected(session, seed))
        verdict = project.refresh(session, Asked(WORDS, OPTIONS, some))  # type: ignore[arg-type]
    assert [(each.picture, each.reason) for each in verdict.left_out] == [
        ("1.png", "1.png is gone")
    ]
    assert verdict.sentence.endswith("1 picture left out")
    assert verdict.version is not None


def test_corrections_of_other_words_teach_nothing(tmp_path: Path) -> None:
    session = vector_session()
    with Project(tmp_path) as project:
        project.take(corrected(session, 0))
        other = asked(Vocabulary.parse("red; blue; -black"))
        verdict = project.refresh(session, other)
    assert verdict.judgement is None
    assert verdict.left_out[0].reason == "nothing in it is about these words"


@pytest.mark.parametrize("accepted", [False, True])
def test_a_word_without_rivals_has_nothing_to_be_told_from(tmp_path: Path, accepted: bool) -> None:
    session = vector_session()
    with Project(tmp_path) as project:
        project.take(corrected(session, 0, accepted=accepted))
        verdict = project.refresh(session, asked(Vocabulary.parse("leaf: zorble")))
    assert verdict.version is None
    assert "not put into service" in verdict.sentence


def test_without_corrections_there_is_nothing_to_learn(tmp_path: Path) -> None:
    with Project(tmp_path) as project:
        verdict = project.refresh(vector_session(), asked())
    assert verdict.sentence == "there are no corrections to learn from yet"


def test_a_version_of_another_model_is_refused(tmp_path: Path) -> None:
    session = vector_session()
    learnt(tmp_path, session, 0, 1)
    from dataclasses import replace  # noqa: PLC0415

    other = Session(
        VectorEngine(replace(VECTOR_CARD, weights_digest="f" * 64)),
        session.placement,
        session.store,
    )
    with Project(tmp_path) as project, pytest.raises(VersionError, match="a project of its own"):
        project.refresh(other, asked())


def test_a_taught_session_says_so_everywhere(tmp_path: Path) -> None:
    session = vector_session()
    learnt(tmp_path, session, 0, 1)
    taught = current(tmp_path, session)
    one, other = (
        each.annotate(picture(5), WORDS, OPTIONS).provenance for each in (session, taught)
    )
    assert one.digest != other.digest
    assert other.model.startswith(f"{one.model}+")
    assert other.weights_digest == taught.weights_digest != session.weights_digest
    back = taught.taught(None).annotate(picture(5), WORDS, OPTIONS)
    assert back.provenance == one


def test_an_engine_without_vectors_learns_offsets(tmp_path: Path) -> None:
    from dataclasses import replace  # noqa: PLC0415

    blind = VectorEngine(replace(VECTOR_CARD, pointable=False))
    session = Session(blind, vector_session().placement, vector_session().store)
    with Project(tmp_path) as project:
        for seed in (0, 1):
            project.take(corrected(session, seed, accepted=True))
        verdict = project.judge(session, asked())
    assert verdict.judgement is not None
    assert [each.way for each in verdict.judgement.trials] == ["offsets"]


def test_fewer_cells_and_anchors_still_learn(tmp_path: Path) -> None:
    session = vector_session()
    with Project(tmp_path) as project:
        for seed in (0, 1):
            project.take(corrected(session, seed))
        options = LearnOptions(cells=64, anchors=4)
        assert project.refresh(session, asked(), options).version is not None


def test_a_host_may_take_corrections_without_torch() -> None:
    code = "import sys, ovseg_annotate.learning_loop.project; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_bundled_model_opens_with_a_version(tmp_path: Path) -> None:
    from lessons.test_taught import lesson  # noqa: PLC0415
    from lessons.test_version import version  # noqa: PLC0415

    from ovseg_annotate.catalog import weights_digest  # noqa: PLC0415
    from ovseg_annotate.lessons.version import version_bytes  # noqa: PLC0415

    base = open_session("naclip@mini", device="cpu")
    import numpy as np  # noqa: PLC0415

    anchors = np.eye(1, 128, dtype=np.float32)
    taught = lesson(
        space=base.engine.card.space, anchors=anchors, lifts=np.ones((1, 2), np.float32)
    )
    file = tmp_path / "v1.lesson"
    file.write_bytes(version_bytes(version(taught)))
    name = f"naclip@mini+{file}"
    with open_session(name, device="cpu") as session:
        assert session.weights_digest == weights_digest(name) != base.weights_digest
        assert session.model == f"naclip@mini+{taught.digest[:16]}"
