from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from annotated_samples import annotated, fingerprint, picture_file, settings
from cli.runner import ovseg
from vector_engine import VECTOR_CARD, VectorEngine, vector_session

from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.queue import DeviceOptions, QueueOptions, queue_with
from ovseg_annotate.cli.sessions import SessionOptions
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.errors import ModelError, OptionError, RunError
from ovseg_annotate.learning_loop.looks import FILE_NAME, Looks
from ovseg_annotate.learning_loop.queue import Order, RunPictures
from ovseg_annotate.run_folder import Picture, RunFolder, RunReader
from ovseg_annotate.session import Session

COLOURS = {
    "a.png": (255, 0, 0),
    "b.png": (250, 0, 0),
    "c.png": (0, 255, 0),
    "d.png": (120, 130, 0),
    "e.png": (0, 0, 255),
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Five pictures and their suggestions, made with the settings of the vector engine."""
    out = tmp_path / "labels"
    pictures = [
        Picture(name, picture_file(tmp_path / "photos" / name, colour))
        for name, colour in COLOURS.items()
    ]
    with RunFolder(out) as folder:
        given = settings(model="vectors@none", weights=VECTOR_CARD.weights_digest)
        folder.adopt(given, pictures, replace=False)
        for taken in pictures:
            folder.save(taken, fingerprint(taken), annotated(taken.name))
    return out


def answer(run: Path, *names: str, accepted: bool = False) -> None:
    with RunFolder(run) as folder:
        for name in names:
            folder.save_correction(annotated(name, "green"), accepted=accepted)


class Opening:
    """Opens vector sessions, and remembers them."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []

    def __call__(self, options: SessionOptions) -> Session:
        self.sessions.append(vector_session())
        return self.sessions[-1]

    @property
    def looked_at(self) -> int:
        engines = [each.engine for each in self.sessions]
        return sum(len(each.batches) for each in engines if isinstance(each, VectorEngine))


def queue(run: Path, opener: Callable[[SessionOptions], Session], **given: object) -> Exit:
    options = QueueOptions(json=True, **given)  # type: ignore[arg-type]
    return queue_with(opener, run, options, DeviceOptions(), StopSignals())


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    import json  # noqa: PLC0415

    answer_ = json.loads(capsys.readouterr().out)
    return [each["picture"] for each in answer_["queue"]]


def test_the_queue_names_pictures_with_reasons(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert queue(run, Opening()) is Exit.FINE
    import json  # noqa: PLC0415

    answer_ = json.loads(capsys.readouterr().out)
    assert answer_["open"] == 5
    assert sorted(each["picture"] for each in answer_["queue"]) == sorted(COLOURS)
    for each in answer_["queue"]:
        assert each["reason"].startswith("most uncertain")
        assert 0 <= each["uncertainty"] <= 1
        assert each["patch"]["window"]["height"] > 0


def test_what_was_answered_is_never_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer(run, "a.png")
    answer(run, "c.png", accepted=True)
    for by in ("both", "uncertainty", "diversity", "random"):
        queue(run, Opening(), by=by)
        assert sorted(told(capsys)) == ["b.png", "d.png", "e.png"]


def test_what_looks_like_something_answered_comes_last(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(run, "a.png")
    queue(run, Opening(), by="diversity")
    assert told(capsys)[-1] == "b.png"


def test_a_suggestion_that_was_changed_by_hand_is_a_correction(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "records" / "e.png.json"
    path.write_bytes(path.read_bytes().replace(b'"red"', b'"green"'))
    queue(run, Opening(), by="random")
    assert sorted(told(capsys)) == ["a.png", "b.png", "c.png", "d.png"]


def test_choosing_again_looks_at_nothing_again(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opening = Opening()
    queue(run, opening)
    first, looked = told(capsys), opening.looked_at
    queue(run, opening)
    assert told(capsys) == first
    assert opening.looked_at == looked > 0
    assert len(opening.sessions) == 1


def test_a_random_order_opens_no_model(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opening = Opening()
    queue(run, opening, by="random", next=2)
    assert len(told(capsys)) == 2
    assert opening.sessions == []


def test_a_pool_bounds_what_is_looked_at(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opening = Opening()
    queue(run, opening, by="uncertainty", pool=2)
    assert len(told(capsys)) == 2
    assert len(Looks(run)) == 2


def test_a_torn_or_foreign_line_of_the_looks_costs_no_more_than_its_picture(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opening = Opening()
    queue(run, opening)
    first = told(capsys)
    path = run / FILE_NAME
    path.write_bytes(b"not ours\n" + path.read_bytes()[:-20])
    assert len(Looks(run)) == 4
    queue(run, opening)
    assert told(capsys) == first
    assert len(Looks(run)) == 5


def test_other_settings_need_other_looks(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queue(run, Opening())
    reader, order = RunReader(run), Order(5, "both", 0, 100)
    assert RunPictures.of(reader).to_look_at(Looks(run), order) == ()
    with RunFolder(run) as folder:
        folder.adopt(settings(vocabulary="red"), replace=True)
    changed = RunReader(run)
    assert len(RunPictures.of(changed).to_look_at(Looks(run), order)) == 5


def test_a_picture_that_changed_is_named_and_the_others_are_chosen(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture_file(tmp_path / "photos" / "a.png", (9, 9, 9))
    assert queue(run, Opening()) is Exit.SOME_FAILED
    answer_ = capsys.readouterr()
    assert "a.png" in answer_.err
    assert "not the file that was annotated" in answer_.err


def test_pictures_that_were_moved_are_found_by_their_folder(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").rename(tmp_path / "moved")
    with pytest.raises(RunError, match="--pictures"):
        queue(run, Opening())
    capsys.readouterr()
    assert queue(run, Opening(), pictures=tmp_path / "moved") is Exit.FINE
    assert len(told(capsys)) == 5


def test_other_weights_than_those_of_the_run_are_refused(run: Path) -> None:
    with RunFolder(run) as folder:
        folder.adopt(settings(weights="f" * 64), replace=True)
    with pytest.raises(RunError, match="made with weights ffffffffffff"):
        queue(run, Opening())


def test_an_engine_without_vectors_says_what_can_be_chosen_by(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace  # noqa: PLC0415

    def blind(options: SessionOptions) -> Session:
        session = vector_session()
        engine = VectorEngine(replace(VECTOR_CARD, pointable=False))
        return Session(engine, session.placement, session.store)

    with pytest.raises(ModelError, match="--by uncertainty"):
        queue(run, blind)
    assert queue(run, blind, by="uncertainty") is Exit.FINE
    assert len(told(capsys)) == 5


def test_with_nothing_left_the_queue_is_empty_and_says_so(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(run, *COLOURS, accepted=True)
    assert queue(run, Opening()) is Exit.FINE
    answer_ = capsys.readouterr()
    assert '"queue": []' in answer_.out
    assert "nothing is left" in answer_.err


def test_a_signal_stops_after_the_picture_that_is_looked_at(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import os  # noqa: PLC0415
    import signal  # noqa: PLC0415

    with StopSignals() as stops:
        os.kill(os.getpid(), signal.SIGTERM)
        code = queue_with(Opening(), run, QueueOptions(), DeviceOptions(), stops)
    assert code is Exit.TERMINATED
    assert "the same command goes on" in capsys.readouterr().err


def test_the_verb_prints_a_table(run: Path) -> None:
    shown = ovseg("queue", run, "--by", "random", "--next", "3")
    assert shown.data.count("drawn at random") == 3


@pytest.mark.parametrize("flags", [("--next", "0"), ("--pool", "0"), ("--by", "size")])
def test_flags_out_of_range_are_refused(run: Path, flags: tuple[str, str]) -> None:
    with pytest.raises(OptionError):
        ovseg("queue", run, *flags)


def test_what_is_no_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        ovseg("queue", tmp_path)


def test_a_run_of_the_bundled_model_can_be_queued(tmp_path: Path) -> None:
    for name in ("a.png", "c.png"):
        picture_file(tmp_path / "photos" / name, COLOURS[name])
    out, words = tmp_path / "labels", "red square; green square"
    ovseg(
        "annotate", tmp_path / "photos", "--prompts", words, "--model", "naclip@mini", "--out", out
    )
    answer_ = ovseg("queue", out, "--json").json
    assert {each["picture"] for each in answer_["queue"]} == {"a.png", "c.png"}
    assert answer_["queue"][1]["distance"] > 0
    assert ovseg("queue", out, "--json").json == answer_
