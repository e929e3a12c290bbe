"""Learn in the Segment dock without a window: corrections in, better suggestions out, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari_at_once import Desk
from numpy.typing import NDArray
from vector_engine import VectorEngine

from napari_plugin.accepting import Preserve
from napari_plugin.answers import Learnt
from napari_plugin.preferences import Preferences
from napari_plugin.presenter import Settings
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import OptionError, RunError, VersionError
from ovseg_annotate.learning_loop.project import Project

PLAIN = Settings(AnnotateOptions(contrast="none"))
WORDS = "green; red; blue"
YELLOW = (255, 230, 0)  # a little more red than green, says the engine; green, says the person


def squares() -> NDArray[np.uint8]:
    """Yellow squares on blue, in four rows and eight columns."""
    pixels = np.zeros((128, 256, 3), np.uint8)
    pixels[..., 2] = 255
    for row in range(8, 128, 32):
        for column in range(8, 256, 32):
            pixels[row : row + 16, column : column + 16] = YELLOW
    return pixels


class Learner(Desk):
    """A desk with an engine that can be pointed with, and what it said about learning."""

    def __init__(self, preferences: Preferences | None = None) -> None:
        super().__init__(engine=VectorEngine())
        self.news: list[Learnt] = []
        self.presenter.learnt.connect(self.news.append)
        if preferences is not None:
            self.presenter._preferences = lambda: preferences

    def open(self) -> Any:
        self.table.add(WORDS)
        self.presenter.segment(self.viewer.add_image(squares(), name="field"), PLAIN)
        return self.layer("suggestion")

    def paint(self, rows: slice, columns: slice, label: int) -> None:
        """A stroke of the brush."""
        layer = self.layer("suggestion")
        places = np.nonzero(np.ones(layer.data[rows, columns].shape))
        where = (places[0] + rows.start, places[1] + columns.start)
        layer.data_setitem(where, label)
        self.presenter.settle()

    def paint_squares_on_the_left(self) -> None:
        """Every square of the two columns on the left is green."""
        for row in range(8, 128, 32):
            for column in (8, 40):
                self.paint(slice(row, row + 16), slice(column, column + 16), 1)


@pytest.fixture
def desk() -> Iterator[Learner]:
    desk = Learner()
    desk.open()
    yield desk
    desk.presenter.close()


def test_the_far_side_is_learnt_from_the_near_one_and_forgotten_in_one_step(desk: Learner) -> None:
    labels = desk.layer("suggestion")
    before = labels.data.copy()
    desk.paint_squares_on_the_left()
    painted = labels.data.copy()
    desk.presenter.learn(PLAIN)
    assert desk.failed == []
    assert "better" in desk.news[-1].sentence
    assert desk.news[-1].in_service == desk.news[-1].versions[0].name
    far = np.s_[:, 128:]
    assert np.mean(labels.data[far][squares()[far][..., 0] == 255] == 1) > 0.8
    assert (labels.data[far][squares()[far][..., 2] == 255] != 1).mean() > 0.95
    desk.presenter.undo_learning(PLAIN)
    assert np.array_equal(labels.data, painted)
    assert desk.news[-1].in_service == ""
    assert np.array_equal(labels.data[far], before[far])


def test_what_a_person_painted_locked_or_accepted_is_never_overwritten(desk: Learner) -> None:
    labels = desk.layer("suggestion")
    desk.paint(slice(104, 120), slice(232, 248), 3)  # a square that really is blue, she says
    desk.table.set_locked(2, locked=True)
    held = labels.data == 3
    desk.workspace.choose(1)
    desk.presenter.workspace.accept([1], Preserve.PIXELS, whole_stack=False)
    accepted = desk.layer("accepted").data.copy()
    desk.paint_squares_on_the_left()
    persons = labels.data.copy()
    desk.presenter.learn(PLAIN)
    assert (labels.data[104:120, 232:248] == 3).all()
    assert np.array_equal(labels.data == 3, held)
    assert np.array_equal(desk.layer("accepted").data, accepted)
    assert np.array_equal(
        labels.data[:, :64][persons[:, :64] == 1], persons[:, :64][persons[:, :64] == 1]
    )


def test_a_refresh_that_is_no_better_says_so_and_changes_nothing(desk: Learner) -> None:
    labels = desk.layer("suggestion")
    for row in range(8, 128, 32):  # of things that look alike, now one and now the other
        for column in (8, 40):
            label = 1 if (row + column) // 32 % 2 else 3
            desk.paint(slice(row, row + 16), slice(column, column + 16), label)
    painted = labels.data.copy()
    desk.presenter.learn(PLAIN)
    assert "not put into service" in desk.news[-1].sentence
    assert desk.news[-1].in_service == ""
    assert np.array_equal(labels.data, painted)


def test_a_stroke_too_small_to_judge_by_is_not_learnt_from(desk: Learner) -> None:
    labels = desk.layer("suggestion")
    desk.paint(slice(8, 12), slice(8, 12), 1)
    painted = labels.data.copy()
    desk.presenter.learn(PLAIN)
    assert "too little was corrected" in desk.news[-1].sentence
    assert np.array_equal(labels.data, painted)


def test_the_model_as_it_came_can_be_chosen_again_and_the_version_too(desk: Learner) -> None:
    labels = desk.layer("suggestion")
    desk.paint_squares_on_the_left()
    painted = labels.data.copy()
    desk.presenter.learn(PLAIN)
    learnt, name = labels.data.copy(), desk.news[-1].in_service
    desk.presenter.use_version("", PLAIN)
    assert np.array_equal(labels.data, painted)
    desk.presenter.use_version(name, PLAIN)
    assert np.array_equal(labels.data, learnt)
    desk.presenter.undo_learning(PLAIN)
    assert np.array_equal(labels.data, painted)


def test_learning_encodes_no_picture_again(desk: Learner) -> None:
    desk.paint_squares_on_the_left()
    windows = desk.engine.encoded_windows
    desk.presenter.learn(PLAIN)
    assert desk.engine.encoded_windows == windows


def test_nothing_can_be_undone_before_anything_was_learnt(desk: Learner) -> None:
    with pytest.raises(OptionError, match="press Learn first"):
        desk.presenter.undo_learning(PLAIN)


def test_a_stroke_that_was_undone_is_no_lesson_any_more(desk: Learner) -> None:
    labels = desk.layer("suggestion")
    desk.paint_squares_on_the_left()
    desk.presenter.learn(PLAIN)
    desk.presenter.undo_learning(PLAIN)
    for _ in range(8):
        labels.undo()
        desk.presenter.settle()
    desk.presenter.learn(PLAIN)
    assert "there are no corrections to learn from yet" in desk.news[-1].sentence


def test_versions_in_a_folder_serve_again_after_a_restart(tmp_path: Path) -> None:
    preferences = replace(Preferences(), learning_folder=tmp_path)
    first = Learner(preferences)
    labels = first.open()
    first.paint_squares_on_the_left()
    first.presenter.learn(PLAIN)
    learnt = labels.data[:, 128:].copy()
    first.presenter.close()
    again = Learner(preferences)
    labels = again.open()
    assert np.array_equal(labels.data[:, 128:], learnt)
    assert again.news[-1].in_service == first.news[-1].in_service
    again.presenter.close()


def test_two_windows_do_not_learn_in_one_folder_at_a_time(tmp_path: Path) -> None:
    preferences = replace(Preferences(), learning_folder=tmp_path)
    first, second = Learner(preferences), Learner(preferences)
    for each in (first, second):
        each.open()
        each.paint_squares_on_the_left()
    first.presenter.learn(PLAIN)
    second.presenter.learn(PLAIN)
    assert first.failed == []
    assert isinstance(second.failed[0], RunError)
    first.presenter.close()
    second.presenter.learn(PLAIN)
    assert second.news[-1].in_service == first.news[-1].in_service
    second.presenter.close()


def test_a_damaged_version_is_named_and_the_others_can_be_chosen(tmp_path: Path) -> None:
    preferences = replace(Preferences(), learning_folder=tmp_path)
    desk = Learner(preferences)
    desk.open()
    desk.paint_squares_on_the_left()
    desk.presenter.learn(PLAIN)
    name = desk.news[-1].in_service
    desk.presenter.use_version("", PLAIN)
    (file,) = tmp_path.rglob(f"{name}.lesson")
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(VersionError, match="damaged"):
        desk.presenter.undo_learning(PLAIN)
    desk.presenter.use_version("", PLAIN)
    assert [each.text for each in desk.news[-1].versions] == [f"{name} (damaged)"]
    desk.presenter.close()
    with Project(file.parent.parent) as project:
        assert len(project.journal) == 1  # what was corrected is not lost with it
