"""Windows and servers as people see them, and none of anybody's settings."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_settings(napari_settings: None) -> None:
    pass
