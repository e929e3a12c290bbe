"""In processes of their own: what is imported, and that the process survives it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

OPEN = """
import sys
from qtpy.QtWidgets import QApplication
app = QApplication([])
from napari.components import ViewerModel
from napari_plugin.segment_dock import SegmentDock
viewer = ViewerModel()
SegmentDock(viewer)
print(sorted({"torch", "open_clip", "timm", "triton"} & set(sys.modules)))
"""

ANNOTATE_BESIDE_A_CANVAS = """
import threading
import napari
import numpy as np
viewer = napari.Viewer(show=True)
viewer.add_image(np.zeros((32, 32), np.uint8))
viewer.add_labels(np.ones((32, 32), np.uint8))
viewer.screenshot(flash=False)
from napari_plugin.monitor import Monitor
from napari_plugin.preferences import Preferences
from napari_plugin.sessions import SessionKeeper
from ovseg_annotate import Vocabulary, from_array

def work():
    session = SessionKeeper().session(Preferences(device="cpu"), Monitor())
    picture = from_array(np.zeros((64, 64, 3), np.uint8))
    session.annotate(picture, Vocabulary.parse("nucleus"))
    print("alive")

thread = threading.Thread(target=work)
thread.start()
thread.join()
viewer.close()
"""


def test_opening_the_dock_imports_no_networks() -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", OPEN], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.strip().splitlines()[-1:] == ["[]"], done.stderr


@pytest.mark.skipif(
    sys.platform == "linux" and not os.environ.get("DISPLAY"),
    reason="needs a display to have a canvas; run under xvfb-run",
)
@pytest.mark.slow
def test_a_process_with_a_canvas_survives_the_first_session() -> None:
    """Without the guard of `torch_guard` it ends by a segmentation fault under Mesa."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", ANNOTATE_BESIDE_A_CANVAS],
        capture_output=True,
        text=True,
        env={**os.environ, "NAPARI_CONFIG": ""},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "alive" in done.stdout
