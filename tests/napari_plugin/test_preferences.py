"""Preferences as napari keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from napari.settings import get_plugin_settings
from pydantic import ValidationError

from napari_plugin.preferences import PLUGIN, Preferences, read_preferences
from ovseg_annotate.errors import OptionError


@pytest.fixture(autouse=True)
def _as_they_were() -> Iterator[None]:
    yield
    get_plugin_settings(PLUGIN).reset()


def test_nobody_has_to_set_anything() -> None:
    assert read_preferences() == Preferences()


def test_what_was_set_is_read(tmp_path: Path) -> None:
    settings = get_plugin_settings(PLUGIN)
    settings.inference.model = " clearclip@mini "
    settings.inference.cache_folder = str(tmp_path)
    settings.inference.annotating_server = " http://gpu-box:9100 "
    settings.inference.server_token_file = str(tmp_path / "token")
    settings.label_studio.server = "http://host:8080/"
    settings.label_studio.project = 7
    preferences = read_preferences()
    assert preferences.model == "clearclip@mini"
    assert preferences.cache_folder == tmp_path
    assert preferences.annotating_server == "http://gpu-box:9100"
    assert preferences.server_token_file == tmp_path / "token"
    assert (preferences.server, preferences.project) == ("http://host:8080", 7)


def test_a_wrong_value_is_refused_at_once() -> None:
    with pytest.raises(ValidationError, match="auto"):
        get_plugin_settings(PLUGIN).inference.device = "gpu"


def test_a_relative_cache_folder_is_an_error_that_says_where_it_stands() -> None:
    get_plugin_settings(PLUGIN).inference.cache_folder = "cache"
    with pytest.raises(OptionError, match=r"Preferences > .*'cache'"):
        read_preferences()
