"""Windows without a screen, and a napari that neither reads nor writes anybody's settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from napari.utils.notifications import Notification, notification_manager

if sys.platform == "linux" and not os.environ.get("DISPLAY"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before the first window


@pytest.fixture(autouse=True, scope="session")
def _own_settings(napari_settings: None) -> None:
    pass


@pytest.fixture
def notices() -> Iterator[list[Notification]]:
    """What napari showed a person during the test."""
    shown: list[Notification] = []
    notification_manager.notification_ready.connect(shown.append)
    yield shown
    notification_manager.notification_ready.disconnect(shown.append)
