"""The dock Folder review on a viewer without a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import Notification
from PIL import Image as PillowImage
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QLabel, QWidget
from review_samples import WORDS, FakeModel, OneModel, folder_of, squares

from napari_plugin.review_dock import ReviewDock
from napari_plugin.review_layers import LABELS, PICTURE
from napari_plugin.review_learning import Models, models_of
from napari_plugin.review_list import Order
from napari_plugin.review_state import usual_run_folder
from napari_plugin.review_suggesting import session_opener
from ovseg_annotate.regions import labels_of
from ovseg_annotate.run_folder import PictureState, RunFolder, RunReader

WAIT = 60_000  # ms, for a busy machine


def models_with(opener: FakeModel) -> Callable[..., Models]:
    """Suggestions by this model; learning is for others."""
    return lambda keeper, preferences: Models(opener, session_opener(keeper, preferences))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "pictures")


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def dock(qtbot: QtBot, model: FakeModel) -> Iterator[ReviewDock]:
    dock = ReviewDock(ViewerModel(), models_with(model))
    qtbot.addWidget(dock)
    yield dock
    model.may_go_on.set()
    dock.close_review()


@pytest.fixture
def opened(dock: ReviewDock, qtbot: QtBot, pictures: Path) -> ReviewDock:
    with qtbot.waitSignal(dock.shown, timeout=WAIT):
        dock.open([pictures])
    return dock


@pytest.fixture
def suggested(opened: ReviewDock, qtbot: QtBot) -> ReviewDock:
    opened.panel.words_edit.setText(str(WORDS))
    with qtbot.waitSignal(opened.idle, timeout=WAIT):
        opened.panel.suggest_button.click()
    qtbot.waitUntil(lambda: LABELS in opened.viewer.layers, timeout=WAIT)
    return opened


def states(dock: ReviewDock) -> list[PictureState]:
    assert dock.desk is not None
    return [item.state for item in dock.desk.review.items]


def names(dock: ReviewDock) -> list[str]:
    model = dock.panel.list_view.model()
    assert model is not None
    return [model.data(model.index(row, 0)) for row in range(model.rowCount())]


def paint(dock: ReviewDock) -> None:
    """A stroke in the left half, where nothing was suggested."""
    dock.viewer.layers[LABELS].paint((10, 5), 2)


def test_a_folder_shows_its_first_picture_and_lists_all(opened: ReviewDock) -> None:
    assert names(opened) == ["0.png", "1.png", "2.png"]
    assert opened.viewer.layers[PICTURE].data.shape == (24, 32, 3)
    assert opened.panel.records_edit.text().endswith("pictures-labels")


def test_suggestions_appear_for_all_pictures_and_in_the_viewer(suggested: ReviewDock) -> None:
    assert states(suggested) == [PictureState.SUGGESTED] * 3
    assert set(np.unique(suggested.viewer.layers[LABELS].data)) == {0, 1}
    assert suggested.panel.concept_box.count() == 2
    assert suggested.panel.suggest_button.isEnabled()


def test_a_run_can_be_cancelled_and_is_shown_while_it_runs(
    opened: ReviewDock, qtbot: QtBot, model: FakeModel
) -> None:
    model.may_go_on.clear()
    opened.panel.words_edit.setText(str(WORDS))
    opened.panel.suggest_button.click()
    assert not opened.panel.suggest_button.isEnabled()
    with qtbot.waitSignal(opened.idle, timeout=WAIT):
        opened.panel.cancel_button.click()
    assert states(opened) == [PictureState.NEW] * 3
    assert not opened.panel.cancel_button.isEnabled()


def test_a_stroke_is_saved_by_itself_and_undoing_it_too(
    suggested: ReviewDock, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(suggested.saved, timeout=WAIT):
        paint(suggested)
    assert states(suggested)[0] is PictureState.CORRECTED
    with qtbot.waitSignal(suggested.saved, timeout=WAIT):
        suggested.viewer.layers[LABELS].undo()
    assert states(suggested)[0] is PictureState.SUGGESTED


def test_going_on_saves_what_was_painted_a_moment_ago(suggested: ReviewDock, qtbot: QtBot) -> None:
    paint(suggested)
    with qtbot.waitSignals([suggested.saved, suggested.shown], timeout=WAIT):
        suggested.panel.next_button.click()
    assert states(suggested)[0] is PictureState.CORRECTED
    with qtbot.waitSignal(suggested.shown, timeout=WAIT):
        suggested.panel.previous_button.click()
    assert suggested.viewer.layers[LABELS].data[10, 5] == 2


def test_accepting_goes_on_to_the_next_picture(suggested: ReviewDock, qtbot: QtBot) -> None:
    with qtbot.waitSignal(suggested.shown, timeout=WAIT) as shown:
        suggested.panel.accept_button.click()
    assert shown.args == ["1.png"]
    assert states(suggested)[0] is PictureState.ACCEPTED
    assert "1 accepted" in suggested.panel.summary_label.text()


def test_a_reset_brings_the_suggestion_back(suggested: ReviewDock, qtbot: QtBot) -> None:
    with qtbot.waitSignal(suggested.saved, timeout=WAIT):
        paint(suggested)
    with qtbot.waitSignal(suggested.shown, timeout=WAIT):
        suggested.panel.restore_button.click()
    assert states(suggested)[0] is PictureState.SUGGESTED
    assert suggested.viewer.layers[LABELS].data[10, 5] == 0


def test_a_new_suggestion_does_not_replace_what_is_being_painted(
    suggested: ReviewDock, qtbot: QtBot
) -> None:
    paint(suggested)
    suggested.panel.words_edit.setText("red; green: grass")
    suggested.panel.replace_box.setChecked(True)
    with qtbot.waitSignal(suggested.idle, timeout=WAIT):
        suggested.panel.suggest_button.click()
    assert suggested.viewer.layers[LABELS].data[10, 5] == 2
    assert states(suggested)[0] is PictureState.CORRECTED


def test_the_list_is_filtered_and_sorted(suggested: ReviewDock, qtbot: QtBot) -> None:
    with qtbot.waitSignal(suggested.shown, timeout=WAIT):
        suggested.panel.accept_button.click()
    suggested.panel.state_box.setCurrentText(str(PictureState.SUGGESTED))
    assert names(suggested) == ["1.png", "2.png"]
    suggested.panel.search_edit.setText("2")
    assert names(suggested) == ["2.png"]
    suggested.panel.search_edit.clear()
    suggested.panel.order_box.setCurrentText(str(Order.UNCERTAIN))
    assert names(suggested) == ["1.png", "2.png"]


def test_a_filtered_list_stands_still_while_a_person_works_through_it(
    suggested: ReviewDock, qtbot: QtBot
) -> None:
    suggested.panel.state_box.setCurrentText(str(PictureState.SUGGESTED))
    for expected in ("1.png", "2.png"):
        with qtbot.waitSignal(suggested.shown, timeout=WAIT) as shown:
            suggested.panel.accept_button.click()
        assert shown.args == [expected]
    assert names(suggested) == ["0.png", "1.png", "2.png"]


def test_a_picture_that_is_gone_is_told_and_the_next_one_opens(
    suggested: ReviewDock, qtbot: QtBot, pictures: Path, notices: list[Notification]
) -> None:
    (pictures / "1.png").unlink()
    suggested.panel.next_button.click()
    qtbot.waitUntil(lambda: bool(notices), timeout=WAIT)
    assert "no such file" in notices[0].message
    with qtbot.waitSignal(suggested.shown, timeout=WAIT) as shown:
        suggested.panel.next_button.click()
    assert shown.args == ["2.png"]


def test_a_picture_that_cannot_be_suggested_for_is_told(
    opened: ReviewDock, qtbot: QtBot, pictures: Path, notices: list[Notification]
) -> None:
    (pictures / "1.png").write_bytes(b"no picture")
    opened.panel.words_edit.setText(str(WORDS))
    with qtbot.waitSignal(opened.idle, timeout=WAIT):
        opened.panel.suggest_button.click()
    assert "1.png" in notices[0].message
    assert states(opened).count(PictureState.SUGGESTED) == 2


@pytest.mark.parametrize(("words", "message"), [("", "no words given"), ("a: ", "no phrase")])
def test_words_that_cannot_be_read_are_told_and_nothing_runs(
    opened: ReviewDock, notices: list[Notification], words: str, message: str
) -> None:
    opened.panel.words_edit.setText(words)
    opened.panel.suggest_button.click()
    assert message in notices[0].message
    assert opened.panel.suggest_button.isEnabled()


def test_suggesting_without_pictures_is_told(dock: ReviewDock, notices: list[Notification]) -> None:
    dock.panel.suggest_button.click()
    assert "choose a folder" in notices[0].message


def test_a_folder_that_another_process_works_in_is_told(
    dock: ReviewDock, pictures: Path, notices: list[Notification]
) -> None:
    with RunFolder(usual_run_folder([pictures])):
        dock.open([pictures])
    assert "is working in" in notices[0].message
    assert dock.desk is None


def test_closing_saves_the_last_stroke_and_frees_the_folder(
    suggested: ReviewDock, pictures: Path
) -> None:
    paint(suggested)
    suggested.close_review()
    out = usual_run_folder([pictures])
    record = RunReader(out).record_of("0.png")
    assert record is not None
    assert labels_of(record.image)[10, 5] == 2
    with RunFolder(out):
        pass
    assert not suggested.viewer.layers


def test_a_destroyed_dock_has_saved_the_last_stroke(
    qtbot: QtBot, model: FakeModel, pictures: Path
) -> None:
    dock = ReviewDock(ViewerModel(), models_with(model))
    dock.panel.words_edit.setText(str(WORDS))
    with qtbot.waitSignal(dock.shown, timeout=WAIT):
        dock.open([pictures])
    with qtbot.waitSignal(dock.idle, timeout=WAIT):
        dock.suggest()
    qtbot.waitUntil(lambda: LABELS in dock.viewer.layers, timeout=WAIT)
    paint(dock)
    gone: list[bool] = []
    dock.destroyed.connect(lambda: gone.append(True))
    dock.deleteLater()
    qtbot.waitUntil(lambda: bool(gone), timeout=WAIT)
    record = RunReader(usual_run_folder([pictures])).record_of("0.png")
    assert record is not None
    assert labels_of(record.image)[10, 5] == 2


def test_layers_that_somebody_removed_come_back_with_the_next_picture(
    suggested: ReviewDock, qtbot: QtBot
) -> None:
    suggested.viewer.layers.clear()
    with qtbot.waitSignal(suggested.shown, timeout=WAIT):
        suggested.panel.next_button.click()
    assert {layer.name for layer in suggested.viewer.layers} == {PICTURE, LABELS}


def test_choosing_a_concept_paints_with_its_label(suggested: ReviewDock) -> None:
    suggested.panel.concept_box.setCurrentIndex(1)
    suggested.panel.concept_box.activated.emit(1)
    assert suggested.viewer.layers[LABELS].selected_label == 2
    assert suggested.viewer.layers[LABELS].mode == "paint"


def test_every_control_has_a_tooltip(dock: ReviewDock) -> None:
    panel = dock.panel
    controls = [each for each in vars(panel).values() if isinstance(each, QWidget)]
    without = [each for each in controls if not each.toolTip() and not isinstance(each, QLabel)]
    assert len(controls) > 15
    assert without == []


def test_learning_in_the_dock_tells_what_it_came_to_and_keeps_answers(
    qtbot: QtBot, tmp_path: Path
) -> None:
    folder = tmp_path / "field"
    folder.mkdir()
    for number in range(3):
        PillowImage.fromarray(squares(2 * number)).save(folder / f"{number}.png")
    dock = ReviewDock(ViewerModel(), lambda keeper, preferences: models_of(OneModel(), preferences))
    qtbot.addWidget(dock)
    with qtbot.waitSignal(dock.shown, timeout=WAIT):
        dock.open([folder])
    dock.panel.words_edit.setText("green; red; blue")
    with qtbot.waitSignal(dock.idle, timeout=WAIT):
        dock.panel.suggest_button.click()
    qtbot.waitUntil(lambda: LABELS in dock.viewer.layers, timeout=WAIT)
    layer = dock.viewer.layers[LABELS]
    layer.data_setitem(np.nonzero(squares(0)[..., 0] == 255), 1)
    painted = layer.data.copy()
    with qtbot.waitSignal(dock.idle, timeout=WAIT):  # the stroke is not on the disk yet
        dock.panel.learn_button.click()
    assert "better" in dock.panel.status_label.text()
    assert states(dock) == [PictureState.CORRECTED, *[PictureState.SUGGESTED] * 2]
    assert np.array_equal(dock.viewer.layers[LABELS].data, painted)
    with qtbot.waitSignal(dock.idle, timeout=WAIT):
        dock.panel.order_box.setCurrentText(str(Order.USEFUL))
    assert names(dock)[-1] == "0.png"
    with qtbot.waitSignal(dock.idle, timeout=WAIT):
        dock.panel.undo_button.click()
    assert "the model as it came" in dock.panel.status_label.text()
    dock.close_review()
