"""A run from its request to its exit code, with an annotator whose answers are known."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from annotated_samples import annotated, picture_file
from cli.fake_annotator import FakeOpener, request
from rich.console import Console

from ovseg_annotate.cli.annotate import Opened, Request, annotate_pictures
from ovseg_annotate.cli.annotate_report import Report
from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.errors import Cancelled, RunError
from ovseg_annotate.formats import native
from ovseg_annotate.run_folder import RunReader


class Run:
    """One run with everything it said."""

    def __init__(self, asked: Request, opener: FakeOpener | None = None) -> None:
        self.opener = opener or FakeOpener()
        self._talk = io.StringIO()
        report = Report(Talk(Console(file=self._talk, width=1000)), json=asked.run.json)
        self.exit = annotate_pictures(asked, self.opener, StopSignals(), report)

    @property
    def annotated(self) -> list[str]:
        return self.opener.annotated

    @property
    def talk(self) -> str:
        return self._talk.getvalue()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    picture_file(tmp_path / "photos" / "a.png", (255, 0, 0))
    picture_file(tmp_path / "photos" / "deep" / "b.png", (0, 255, 0))
    return tmp_path / "photos"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "labels"


def test_every_picture_gets_a_record_with_its_regions(photos: Path, out: Path) -> None:
    assert Run(request(photos, out)).exit is Exit.FINE
    found = {
        record.image.name: [region.concept for region in record.image.regions]
        for record in RunReader(out).records()
    }
    assert found == {"a.png": ["red"], "deep/b.png": ["green"]}


def test_the_same_command_again_does_nothing_more(photos: Path, out: Path) -> None:
    Run(request(photos, out))
    again = Run(request(photos, out))
    assert (again.exit, again.annotated) == (Exit.FINE, [])
    assert "2 were finished before" in again.talk


def test_a_changed_picture_is_annotated_again(photos: Path, out: Path) -> None:
    Run(request(photos, out))
    picture_file(photos / "a.png", (0, 255, 0))
    assert Run(request(photos, out)).annotated == ["a.png"]
    first = next(RunReader(out).records())
    assert [region.concept for region in first.image.regions] == ["green"]


def test_a_bad_picture_is_told_at_the_end_and_does_not_stop_the_others(
    photos: Path, out: Path
) -> None:
    (photos / "broken.png").write_bytes(b"")
    run = Run(request(photos, out))
    assert run.exit is Exit.SOME_FAILED
    assert len(RunReader(out)) == 2
    assert "error: broken.png: " in run.talk


def test_a_run_without_a_single_success_says_so_by_its_exit_code(tmp_path: Path, out: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "broken.png").write_bytes(b"not a picture")
    assert Run(request(tmp_path / "photos", out)).exit is Exit.NOTHING_DONE


def test_other_words_in_the_same_folder_are_refused_unless_they_replace(
    photos: Path, out: Path
) -> None:
    Run(request(photos, out))
    with pytest.raises(RunError, match="vocabulary"):
        Run(request(photos, out, "red; green"))
    replaced = Run(request(photos, out, "red; green", replace=True))
    assert sorted(replaced.annotated) == ["a.png", "b.png"]


def test_corrections_stay_and_are_exported(photos: Path, out: Path) -> None:
    Run(request(photos, out))
    path = out / "records" / "a.png.json"
    native.write_record(path, native.Record(annotated("a.png", "green"), native.Kind.CORRECTION))
    corrected = path.read_bytes()
    run = Run(request(photos, out, "red; green", replace=True, formats=("coco",)))
    assert run.annotated == ["b.png"]
    assert path.read_bytes() == corrected
    assert "1 carry corrections" in run.talk
    (exported,) = (out / "coco").rglob("*.json")
    named = {each["id"]: each["name"] for each in json.loads(exported.read_text())["categories"]}
    kinds = [named[each["category_id"]] for each in json.loads(exported.read_text())["annotations"]]
    assert kinds == ["green", "green"]


def test_a_warning_that_every_picture_gives_is_said_once(photos: Path, out: Path) -> None:
    assert Run(request(photos, out)).talk.count("a warning") == 1


def test_a_correction_that_appears_during_the_run_is_told_and_kept(photos: Path, out: Path) -> None:
    path = out / "records" / "a.png.json"

    def correct(picture: Path) -> None:
        if picture.name == "a.png":
            record = native.Record(annotated(concept="green"), native.Kind.CORRECTION)
            native.write_record(path, record)

    run = Run(request(photos, out), FakeOpener(correct))
    assert run.exit is Exit.SOME_FAILED
    assert "was corrected meanwhile and stays as it is" in run.talk
    assert native.read_record(path).kind is native.Kind.CORRECTION


def test_json_gives_one_object_a_picture_and_a_summary(
    photos: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "broken.png").write_bytes(b"")
    Run(request(photos, out, json=True))
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    states = {each["picture"]: each["state"] for each in documents[:-1]}
    assert states == {"a.png": "annotated", "broken.png": "failed", "deep/b.png": "annotated"}
    assert documents[0]["shares"] == {"red": 0.5, "green": 0.0}
    summary = documents[-1]["summary"]
    assert (summary["annotated"], summary["failed"], summary["exit"]) == (2, 1, 1)


def test_without_json_stdout_carries_the_run_folder_and_nothing_else(
    photos: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Run(request(photos, out))
    assert capsys.readouterr().out == f"{out}\n"


def test_an_exported_file_changed_by_hand_is_named_and_stays(photos: Path, out: Path) -> None:
    Run(request(photos, out, formats=("coco",)))
    (exported,) = (out / "coco").rglob("*.json")
    exported.write_text("by hand")
    run = Run(request(photos, out, formats=("coco",)))
    assert exported.read_text() == "by hand"
    assert f"{exported} was changed by hand" in run.talk


def test_a_stop_while_the_model_loads_leaves_the_folder_free_and_says_so(
    photos: Path, out: Path
) -> None:
    def cancelled(asked: Request, stop: Callable[[], bool]) -> Opened:
        raise Cancelled("stopped while downloading")

    talk = io.StringIO()
    report = Report(Talk(Console(file=talk, width=1000)), json=False)
    annotate_pictures(request(photos, out), cancelled, StopSignals(), report)
    assert "nothing was annotated yet" in talk.getvalue()
    assert Run(request(photos, out)).exit is Exit.FINE
