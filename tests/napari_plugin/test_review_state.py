"""A folder under review, without a window."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from review_samples import WORDS, FakeModel, folder_of, request

from napari_plugin.monitor import Monitor
from napari_plugin.review_list import Arrangement
from napari_plugin.review_state import Review, open_review, usual_run_folder
from napari_plugin.review_suggesting import suggest
from ovseg_annotate.errors import ImageError, RunError
from ovseg_annotate.regions import labels_of
from ovseg_annotate.run_folder import PictureState, RunFolder, RunReader
from ovseg_annotate.vocabulary import Vocabulary

ROOT = Path(__file__).parents[2]

PAINTER = """
import os, sys
from pathlib import Path
sys.path.insert(0, "tests")
from napari_plugin.review_state import open_review
review = open_review([Path(sys.argv[1])], Path(sys.argv[2]))
picture = review.open(0)
labels = picture.labels.copy()
labels[0, 0] = 2
review.save(picture, labels)
print("saved", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "pictures")


@pytest.fixture
def out(pictures: Path) -> Path:
    return usual_run_folder([pictures])


def suggest_all(review: Review, model: FakeModel | None = None, **given: object) -> list[str]:
    steps = suggest(review, request(**given), model or FakeModel(), Monitor())  # type: ignore[arg-type]
    return [step.result.picture.name for step in steps]


def states(review: Review) -> list[PictureState]:
    for position in range(len(review.items)):
        review.refresh(position)
    return [item.state for item in review.items]


def test_a_fresh_folder_is_new_and_knows_no_words(pictures: Path, out: Path) -> None:
    with open_review([pictures], out) as review:
        assert states(review) == [PictureState.NEW] * 3
        assert review.vocabulary is None
        assert review.open(0).labels is None


def test_suggestions_are_records_as_the_command_line_writes_them(pictures: Path, out: Path) -> None:
    with open_review([pictures], out) as review:
        assert suggest_all(review) == ["0.png", "1.png", "2.png"]
        assert states(review) == [PictureState.SUGGESTED] * 3
        assert [item.standing.margin for item in review.items] == [0.75] * 3
    reader = RunReader(out)
    assert [record.image.name for record in reader.records()] == ["0.png", "1.png", "2.png"]
    assert reader.settings.vocabulary == str(WORDS)


def test_what_is_done_is_not_done_again(pictures: Path, out: Path) -> None:
    model = FakeModel()
    with open_review([pictures], out) as review:
        suggest_all(review, model)
        suggest_all(review, model)
    assert model.annotated == ["0.png", "1.png", "2.png"]


def test_suggesting_begins_with_the_picture_that_is_looked_at(pictures: Path, out: Path) -> None:
    with open_review([pictures], out) as review:
        assert suggest_all(review, start=2) == ["2.png", "0.png", "1.png"]


def test_other_words_are_refused_until_a_person_wants_them(pictures: Path, out: Path) -> None:
    other = Vocabulary.parse("red; green: grass")
    with open_review([pictures], out) as review:
        suggest_all(review)
        with pytest.raises(RunError, match="Make other suggestions again"):
            suggest_all(review, words=other)
        assert suggest_all(review, words=other, replace=True) == ["0.png", "1.png", "2.png"]
        assert review.vocabulary == other


def test_other_weights_of_the_same_name_are_noticed(pictures: Path, out: Path) -> None:
    with open_review([pictures], out) as review:
        suggest_all(review)
        with pytest.raises(RunError, match="weights"):
            suggest_all(review, FakeModel("1" * 64))


def test_a_stop_ends_the_run_and_keeps_what_is_done(pictures: Path, out: Path) -> None:
    monitor = Monitor()
    with open_review([pictures], out) as review:
        steps = suggest(review, request(), FakeModel(), monitor)
        next(steps)
        monitor.stop()
        assert list(steps) == []
        assert states(review).count(PictureState.SUGGESTED) == 1


def test_a_picture_that_cannot_be_read_is_told_and_the_rest_is_done(
    pictures: Path, out: Path
) -> None:
    (pictures / "1.png").write_bytes(b"no picture")
    with open_review([pictures], out) as review:
        results = [step.result for step in suggest(review, request(), FakeModel(), Monitor())]
        assert [isinstance(result.error, ImageError) for result in results] == [False, True, False]
        assert states(review)[1] is PictureState.NEW


def test_painting_corrects_and_undoing_it_brings_the_suggestion_back(
    pictures: Path, out: Path
) -> None:
    with open_review([pictures], out) as review:
        suggest_all(review)
        picture = review.open(0)
        assert picture.labels is not None
        record = out / "records" / "0.png.json"
        before = record.read_bytes()
        labels = picture.labels.copy()
        labels[0, 0] = 2
        review.save(picture, labels)
        assert states(review)[0] is PictureState.CORRECTED
        assert np.array_equal(review.open(0).labels, labels)
        review.save(picture, picture.labels)
        assert states(review)[0] is PictureState.SUGGESTED
        assert record.read_bytes() == before


def test_accepting_keeps_what_was_painted_since(pictures: Path, out: Path) -> None:
    with open_review([pictures], out) as review:
        suggest_all(review)
        picture = review.open(0)
        labels = np.zeros_like(picture.labels)
        review.accept(picture, labels)
        assert states(review)[0] is PictureState.ACCEPTED
        assert not labels_of(RunReader(out).record_of("0.png").image).any()


def test_an_accepted_picture_that_is_painted_on_is_corrected_again(
    pictures: Path, out: Path
) -> None:
    with open_review([pictures], out) as review:
        suggest_all(review)
        picture = review.open(0)
        review.accept(picture, picture.labels)
        accepted = review.open(0)
        labels = accepted.labels.copy()
        labels[0, 0] = 2
        review.save(accepted, labels)
        assert states(review)[0] is PictureState.CORRECTED
        review.save(accepted, accepted.labels)
        assert states(review)[0] is PictureState.ACCEPTED


def test_resetting_needs_a_suggestion(pictures: Path, out: Path) -> None:
    with open_review([pictures], out) as review:
        suggest_all(review)
        picture = review.open(0)
        review.accept(picture, picture.labels)
        review.restore(0)
        assert states(review)[0] is PictureState.SUGGESTED
        (out / "records" / "1.png.json").unlink()
        with pytest.raises(RunError, match="no suggestion to go back to"):
            review.restore(1)


def test_a_review_goes_on_where_it_was_left(pictures: Path, out: Path) -> None:
    with open_review([pictures], out) as review:
        suggest_all(review)
        picture = review.open(1)
        review.accept(picture, picture.labels)
    with open_review([out], out) as review:  # the run folder stands for its pictures
        assert states(review)[1] is PictureState.ACCEPTED
        assert review.vocabulary == WORDS


def test_what_was_painted_survives_a_kill(pictures: Path, out: Path) -> None:
    with open_review([pictures], out) as review:
        suggest_all(review)
    painter = subprocess.Popen(
        [sys.executable, "-c", PAINTER, str(pictures), str(out)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert painter.stdout is not None
    assert painter.stdout.readline() == "saved\n"
    with pytest.raises(RunError, match=f"process {painter.pid} is working"):
        open_review([pictures], out)
    painter.kill()
    painter.communicate()
    with open_review([pictures], out) as review:
        assert states(review)[0] is PictureState.CORRECTED
        assert review.open(0).labels[0, 0] == 2


def test_a_picture_that_was_deleted_meanwhile_says_so(pictures: Path, out: Path) -> None:
    with open_review([pictures], out) as review:
        suggest_all(review)
        (pictures / "0.png").unlink()
        with pytest.raises(ImageError, match="no such file"):
            review.open(0)
        assert review.open(1).labels is not None


def test_a_picture_of_another_size_than_its_record_says_so(pictures: Path, out: Path) -> None:
    with open_review([pictures], out) as review:
        suggest_all(review)
        PillowImage.new("RGB", (8, 8)).save(pictures / "0.png")
        with pytest.raises(RunError, match="8 x 8 px"):
            review.open(0)


def test_a_damaged_record_says_what_to_do(pictures: Path, out: Path) -> None:
    with open_review([pictures], out) as review:
        suggest_all(review)
        (out / "records" / "0.png.json").write_text("{")
        with pytest.raises(RunError, match="Delete this record"):
            review.open(0)


def test_records_that_cannot_be_written_are_an_error(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        open_review([pictures], tmp_path / "file" / "labels")


def test_a_run_folder_whose_pictures_moved_says_so(pictures: Path, out: Path) -> None:
    with open_review([pictures], out) as review:
        suggest_all(review)
    pictures.rename(pictures.with_name("elsewhere"))
    with pytest.raises(RunError, match="choose their folder instead"):
        open_review([out], out)


def test_after_a_refusal_the_folder_is_free_again(pictures: Path, out: Path) -> None:
    out.mkdir()
    (out / "run.json").write_text("{")
    with pytest.raises(RunError):
        open_review([pictures], out)
    with RunFolder(out):
        pass


def test_five_thousand_pictures_open_in_a_second(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(5000):
        (folder / f"{number:04d}.png").touch()
    gc.freeze()  # the collector need not look through what a thousand other tests left behind
    started = time.thread_time()  # threads that they left behind may be at work
    try:
        with open_review([folder], tmp_path / "labels") as review:
            assert len(review.arranged(Arrangement())) == 5000
        assert time.thread_time() - started < 1.0
    finally:
        gc.unfreeze()
