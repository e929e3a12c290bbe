"""Waiting for what others do, where nothing tells of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Until something holds that another thread or process does."""
    ends_at, between_looks = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < ends_at, f"it did not happen within {seconds:g} s"
        between_looks.wait(0.005)
