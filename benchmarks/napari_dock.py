"""The Segment dock in a real napari: what a person waits for, and how long nothing answers.

Generated microscopy (seeds 3 to 5), the bundled model on the CPU, a virtual display where there
is none. A stall is the longest gap between two ticks of a timer of 5 ms; the first run, which
compiles napari's colours, is not counted.
"""

from __future__ import annotations

import compileall
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene
from ovseg_annotate.geometry import Size

WORDS = "nucleus; bacterium; filament; cytoplasm; cell; microbead"
SIDE = 2048
POLYGONS, VERTICES = 5000, 40
LIMIT = 1800.0  # s, for any one thing


def main() -> int:
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        if shutil.which("xvfb-run") is None:
            print("needs a display, or xvfb-run to make one", file=sys.stderr)
            return 1
        screen = ["xvfb-run", "-a", "-s", "-screen 0 1400x1000x24"]
        return subprocess.run([*screen, sys.executable, "-u", *sys.argv], check=False).returncode
    compile_as_installed()
    import napari  # noqa: PLC0415

    viewer = napari.Viewer()
    viewer.add_image(scene(512, 3), name="first")
    process_events(0.5)
    dock = report_opening(viewer)
    dock.concepts.words_edit.setText(WORDS)
    segment(dock)
    hide(viewer)
    picture = viewer.add_image(scene(SIDE, 4), name="large")
    dock.picture.layer.value = picture
    report_stall(dock)
    report_threshold(viewer, dock)
    report_polygons(viewer, dock)
    report_cancel(viewer, dock)
    report_difference(viewer, dock)
    report_learning(viewer, dock)
    viewer.close()
    return 0


def compile_as_installed() -> None:
    """As pip leaves a package; a checkout may have no bytecode, or be forbidden to write any."""
    for package in ("napari_plugin", "ovseg_annotate"):
        spec = importlib.util.find_spec(package)
        assert spec is not None
        for folder in spec.submodule_search_locations or ():
            compileall.compile_dir(folder, quiet=1)


def report_opening(viewer: Any) -> Any:
    start, worked = time.perf_counter(), time.thread_time()
    _, dock = viewer.window.add_plugin_dock_widget("ovseg-annotate", "Segment")
    taken, worked = time.perf_counter() - start, time.thread_time() - worked
    assert "torch" not in sys.modules
    name = "napari: opening the dock, its imports included"
    tell(name, 1000 * taken, 150.0, "ms")
    tell(f"{name}, CPU time", 1000 * worked, None, "ms")
    return dock


def report_stall(dock: Any) -> None:
    """Of a second run; the first one, which makes the layers, looks at a small version."""
    dock.options.scale.value = "0.1x"
    segment(dock)
    dock.options.scale.value = "auto"
    with StallWatch() as stalls:
        start = time.perf_counter()
        segment(dock)
        taken = time.perf_counter() - start
    name = f"napari: longest stall during Segment, {SIDE} px"
    tell(name, 1000 * stalls.longest, 250.0, "ms")
    tell(f"{name}, CPU time of the main thread", 1000 * stalls.most_work, None, "ms")
    tell(f"napari: Segment, {SIDE} px, features not kept", taken, None, "s")


def report_threshold(viewer: Any, dock: Any) -> None:
    labels = viewer.layers["large suggestion"]
    canvas = viewer.window._qt_viewer.canvas.native
    times = []
    for value in (0.3, 0.5, 0.7, 0.4, 0.6, 0.2):
        changed: list[float] = []
        labels.events.set_data.connect(lambda _event, into=changed: into.append(1.0))
        start = time.perf_counter()
        dock.options.threshold.value = value
        wait_until(lambda seen=changed: bool(seen))
        canvas.repaint()
        times.append(time.perf_counter() - start)
        wait_until(lambda: dock.presenter.idle)
    name = f"napari: new threshold to repaint, {SIDE} px, 6 concepts"
    tell(name, 1000 * statistics.median(times), 250.0, "ms")


def report_learning(viewer: Any, dock: Any) -> None:
    """From Learn, after a correction of part of a picture, to the new suggestion of all of it."""
    hide(viewer)
    dock.picture.layer.value = viewer.add_image(scene(1024, 3), name="taught")
    segment(dock)
    labels = viewer.layers["taught suggestion"]
    usual = int(np.bincount(labels.data[labels.data > 0]).argmax())
    other = usual % len(dock.workspace.table) + 1
    places = np.nonzero((labels.data == usual) & (np.arange(1024) < 512))
    labels.data_setitem(places, other)
    process_events(0.5)
    changed: list[float] = []
    labels.events.set_data.connect(lambda _event: changed.append(time.perf_counter()))
    start = time.perf_counter()
    dock.learning.learn()
    wait_until(lambda: bool(changed) or dock.presenter.idle)
    taken = (changed[0] if changed else time.perf_counter()) - start
    tell("napari: Learn to the new suggestion, 1024 px, features kept", taken, 2.0, "s")
    wait_until(lambda: dock.presenter.idle)


def report_polygons(viewer: Any, dock: Any) -> None:
    from napari_plugin.layer_data import Origin  # noqa: PLC0415
    from napari_plugin.outlines import Outlines  # noqa: PLC0415
    from napari_plugin.output_layers import OutputLayers  # noqa: PLC0415
    from napari_plugin.pictures import LayerPictures  # noqa: PLC0415
    from napari_plugin.timed_steps import TimedSteps  # noqa: PLC0415
    from ovseg_annotate.vocabulary import Vocabulary  # noqa: PLC0415

    vocabulary = Vocabulary.parse(WORDS)
    source = LayerPictures.of(viewer.layers["large"])
    origin = Origin("large", source.size, vocabulary, None)
    labels = np.arange(POLYGONS) % len(vocabulary) + 1
    outlines = Outlines((), tuple(blobs()), labels, np.ones(POLYGONS), np.arange(POLYGONS))
    steps, done = TimedSteps(dock), []
    with StallWatch() as stalls:
        start = time.perf_counter()
        drawing = OutputLayers(viewer, source).draw([outlines], origin, ())
        steps.start(drawing, lambda: done.append(time.perf_counter() - start))
        wait_until(lambda: bool(done))
    name = f"napari: {POLYGONS} polygons of {VERTICES} vertices into a layer"
    tell(name, done[0], 2.0, "s")
    tell(f"{name}, longest stall", 1000 * stalls.longest, None, "ms")
    hide(viewer)


def report_cancel(viewer: Any, dock: Any) -> None:
    """From the press until the lane is free for other work, the network stopped."""
    from napari_plugin.lanes import Errand  # noqa: PLC0415

    picture = viewer.add_image(scene(SIDE, 5), name="never finished")
    dock.picture.layer.value = picture
    dock.segment()
    wait_until(lambda: dock.panel.progress.value() > 0)
    began: list[float] = []

    def next_work(_monitor: object) -> Iterator[None]:
        began.append(time.perf_counter())
        yield None

    start = time.perf_counter()
    dock.panel.cancel_button.click()
    assert dock.panel.segment_button.isEnabled()
    lane = dock.presenter._lanes.suggesting
    lane.start(Errand(next_work, lambda _: None, lambda _: None))
    wait_until(lambda: bool(began))
    tell("napari: cancel until the network has stopped", 1000 * (began[0] - start), 500.0, "ms")
    assert not any(layer.name.startswith("never finished ") for layer in viewer.layers)


def report_difference(viewer: Any, dock: Any) -> None:
    from ovseg_annotate.formats import native  # noqa: PLC0415
    from ovseg_annotate.regions import labels_of  # noqa: PLC0415

    pixels = scene(512, 3)
    hide(viewer)
    dock.options.own_threshold.value = True
    dock.picture.layer.value = viewer.add_image(pixels, name="same")
    segment(dock)
    shown = viewer.layers["same suggestion"].data
    with tempfile.TemporaryDirectory() as folder:
        from PIL import Image as Pillow  # noqa: PLC0415

        Pillow.fromarray(pixels).save(f"{folder}/same.png")
        command = ["annotate", f"{folder}/same.png", "--prompts", WORDS, "--out", f"{folder}/out"]
        ovseg = Path(sys.executable).with_name("ovseg")
        subprocess.run([ovseg, *command], check=True, stdout=subprocess.DEVNULL)
        (record,) = Path(folder, "out", "records").iterdir()
        expected = labels_of(native.read_record(record).image)
    different = int(np.count_nonzero(shown != expected))
    tell("napari: pixels that differ from ovseg annotate", different, 0, "px")


def hide(viewer: Any) -> None:
    """Out of the way; napari dies under Mesa when all layers go and others come at once."""
    for layer in viewer.layers:
        layer.visible = False


def segment(dock: Any) -> None:
    done: list[bool] = []
    dock.finished.connect(lambda: done.append(True))
    dock.segment()
    wait_until(lambda: bool(done))


def scene(side: int, seed: int) -> NDArray[np.uint8]:
    rules = SceneRules(SceneStyle.MICROSCOPY, Size(side, side), object_scale=4)
    return draw_scene(rules, seed).pixels


def blobs() -> Iterator[NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    turns = np.linspace(0, 2 * np.pi, VERTICES)
    for _ in range(POLYGONS):
        radius = rng.uniform(5, 15, VERTICES)
        radius[-1] = radius[0]
        middle = rng.uniform(0, SIDE, 2)
        yield middle + np.stack([radius * np.sin(turns), radius * np.cos(turns)], axis=1)


class StallWatch:
    """How long the event loop of Qt did not turn, at most."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer  # noqa: PLC0415

        self.longest = 0.0  # s
        self.most_work = 0.0  # s the main thread really worked; the rest it waited for a core
        self._last = 0.0
        self._worked = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._tick)

    def __enter__(self) -> StallWatch:
        self._last, self._worked = time.perf_counter(), time.thread_time()
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now, worked = time.perf_counter(), time.thread_time()
        self.longest = max(self.longest, now - self._last)
        self.most_work = max(self.most_work, worked - self._worked)
        self._last, self._worked = now, worked


def wait_until(reached: Callable[[], bool]) -> None:
    """Let the window live until something is so."""
    end = time.monotonic() + LIMIT
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError(f"not reached within {LIMIT:.0f} s")
        process_events(0.002)


def process_events(seconds: float) -> None:
    from qtpy.QtCore import QEventLoop, QTimer  # noqa: PLC0415

    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def tell(name: str, value: float, target: float | None, unit: str) -> None:
    reached = None if target is None else value <= target
    line = {"name": name, "value": value, "target": target, "unit": unit, "reached": reached}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main())
