"""The Segment dock with a session on a server: the same layers as with one here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari_at_once import Desk, coloured_picture
from numpy.typing import NDArray
from served import TOKEN, Served, served
from vector_engine import VectorEngine

from napari_plugin.answers import Learnt
from napari_plugin.monitor import Monitor
from napari_plugin.preferences import Preferences
from napari_plugin.presenter import Settings
from napari_plugin.sessions import SessionKeeper
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import OptionError, ServerError

PLAIN = Settings(AnnotateOptions(contrast="none"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(VectorEngine(), tmp_path, token=TOKEN) as found:
        (tmp_path / "token").write_text(TOKEN)
        yield found


@pytest.fixture
def keeper() -> Iterator[SessionKeeper]:
    found = SessionKeeper()
    yield found
    if found._session is not None:
        found._session.close()  # which the end of napari does otherwise


@pytest.fixture
def preferences(server: Served, tmp_path: Path) -> Preferences:
    return Preferences(annotating_server=server.url, server_token_file=tmp_path / "token")


def taught_desk(
    keeper: SessionKeeper | None, preferences: Preferences
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """What a desk suggests before and after it has learnt from a correction."""
    desk, news = Desk(engine=VectorEngine(), sessions=keeper), list[Learnt]()
    desk.presenter.learnt.connect(news.append)
    desk.presenter._preferences = lambda: preferences
    desk.table.add("green; red; blue")
    desk.presenter.segment(desk.viewer.add_image(squares(), name="field"), PLAIN)
    assert desk.failed == []
    labels = desk.layer("suggestion")
    before = labels.data.copy()
    for row in range(8, 128, 32):
        for column in (8, 40):
            places = np.nonzero(np.ones((16, 16)))
            labels.data_setitem((places[0] + row, places[1] + column), 1)
            desk.presenter.settle()
    desk.presenter.learn(PLAIN)
    assert desk.failed == []
    assert "better" in news[-1].sentence
    after = labels.data.copy()
    desk.presenter.close()
    return before, after


def squares() -> NDArray[np.uint8]:
    """Yellow squares on blue: red, says the engine, and green, says the person."""
    pixels = np.zeros((128, 256, 3), np.uint8)
    pixels[..., 2] = 255
    for row in range(8, 128, 32):
        for column in range(8, 256, 32):
            pixels[row : row + 16, column : column + 16] = (255, 230, 0)
    return pixels


def test_segment_and_learn_are_the_same_on_a_server(
    keeper: SessionKeeper, preferences: Preferences
) -> None:
    there, here = taught_desk(keeper, preferences), taught_desk(None, Preferences())
    assert not np.array_equal(here[0], here[1])
    for mine, theirs in zip(there, here, strict=True):
        assert np.array_equal(mine, theirs)


def test_a_server_that_is_away_is_said_and_the_dock_goes_on(
    keeper: SessionKeeper, preferences: Preferences
) -> None:
    desk = Desk(sessions=keeper)
    away = replace(preferences, annotating_server="http://127.0.0.1:1")
    desk.presenter._preferences = lambda: away
    desk.table.add("red")
    desk.presenter.segment(desk.viewer.add_image(coloured_picture(), name="a"), PLAIN)
    assert isinstance(desk.failed[0], ServerError)
    desk.presenter._preferences = lambda: preferences
    desk.presenter.segment(desk.viewer.layers["a"], PLAIN)
    assert desk.layer("suggestion").data.any()
    desk.presenter.close()


def test_another_model_than_the_servers_is_refused_with_what_to_do(
    preferences: Preferences,
) -> None:
    other = replace(preferences, model="sclip@mini")
    with pytest.raises(OptionError, match="runs fake@none, and sclip@mini is chosen here"):
        SessionKeeper().session(other, Monitor())


ASK = """
import sys
import numpy as np
from napari_plugin.monitor import Monitor
from napari_plugin.preferences import Preferences
from napari_plugin.sessions import SessionKeeper
from ovseg_annotate.image import from_array
from ovseg_annotate.vocabulary import Vocabulary

session = SessionKeeper().session(Preferences(annotating_server=sys.argv[1]), Monitor())
picture = from_array(np.full((64, 64, 3), 255, np.uint8))
annotation = session.annotate(picture, Vocabulary.parse("white"))
assert annotation.label_map.labels.all()
session.close()
print(sorted({"torch", "open_clip", "timm", "starlette", "uvicorn", "ray"} & set(sys.modules)))
"""


def test_a_laptop_that_asks_a_server_imports_no_networks(server: Served) -> None:
    environment = {**os.environ, "OVSEG_SERVER_TOKEN": TOKEN}
    done = subprocess.run(
        [sys.executable, "-c", ASK, server.url],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stderr
