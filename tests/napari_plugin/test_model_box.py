"""The list of models in the Segment dock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from napari.settings import get_plugin_settings
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt

from napari_plugin.model_box import ModelBox
from napari_plugin.model_offers import model_offers
from napari_plugin.preferences import PLUGIN, read_preferences
from ovseg_annotate.catalog import DEFAULT_MODEL, models
from ovseg_annotate.errors import ModelError


@pytest.fixture
def box(qtbot: QtBot) -> Iterator[ModelBox]:
    made = ModelBox()
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: made.count() > 0)
    yield made
    get_plugin_settings(PLUGIN).reset()


def names(box: ModelBox) -> list[str]:
    return [box.itemData(row) for row in range(box.count() - 1)]


def test_the_model_of_the_preferences_is_shown_before_anybody_looks_at_the_list(
    box: ModelBox,
) -> None:
    assert box.currentData() == DEFAULT_MODEL
    assert names(box) == [DEFAULT_MODEL]


def test_every_engine_with_weights_on_this_machine_is_in_the_list(box: ModelBox) -> None:
    box.showPopup()
    bundled = next(entry for entry in models() if entry.weights == "mini")
    assert {f"{engine}@mini" for engine in bundled.engines} <= set(names(box))
    assert box.currentData() == DEFAULT_MODEL


def test_what_must_be_fetched_says_how_much_that_is() -> None:
    (offer,) = (one for one in model_offers() if one.name == "naclip@ViT-B-16-quickgelu/openai")
    assert offer.text in (offer.name, f"{offer.name} (598 MB to fetch)")
    assert "licence: MIT" in offer.tooltip


def test_a_chosen_model_is_that_of_the_preferences(box: ModelBox, qtbot: QtBot) -> None:
    box.showPopup()
    with qtbot.waitSignal(box.chosen) as chosen:
        box.activated.emit(box.findData("clearclip@mini"))
    assert chosen.args == ["clearclip@mini"]
    assert read_preferences().model == "clearclip@mini"
    assert box.currentData() == "clearclip@mini"


def test_a_folder_of_ones_own_stays_in_the_list(box: ModelBox) -> None:
    box.choose("catseg@/runs/cells")
    box.choose(DEFAULT_MODEL)
    box.showPopup()
    assert "catseg@/runs/cells" in names(box)


def test_what_is_no_model_is_refused_and_changes_nothing(box: ModelBox) -> None:
    refused: list[ModelError] = []
    box.refused.connect(refused.append)
    box.choose("segmenter@mini")
    assert "there is:" in str(refused[0])
    assert read_preferences().model == DEFAULT_MODEL
    assert box.currentData() == DEFAULT_MODEL


def test_a_model_typed_in_the_preferences_is_shown(box: ModelBox) -> None:
    get_plugin_settings(PLUGIN).inference.model = "oracle"
    box.show_preference()
    assert box.currentData() == "oracle"
    assert "ENGINE@WEIGHTS" in box.currentData(Qt.ItemDataRole.ToolTipRole)
