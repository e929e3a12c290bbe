"""Keys that work anywhere in the viewer while the dock is open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

CONCEPT_KEYS = ("Q", "W", "E", "R", "T", "Y", "U", "I", "O", "P")  # with Shift; digits are napari's


class Shortcuts:
    """Binds keys of a viewer and gives them back."""

    def __init__(self, viewer: Any, actions: Mapping[str, Callable[[], None]]) -> None:
        self._viewer = viewer
        self._keys = tuple(actions)
        for key, action in actions.items():
            viewer.bind_key(key, _ignoring_viewer(action), overwrite=True)

    def close(self) -> None:
        for key in self._keys:
            self._viewer.bind_key(key, None, overwrite=True)


def _ignoring_viewer(action: Callable[[], None]) -> Callable[[Any], None]:
    def act(_viewer: Any) -> None:
        action()

    return act
