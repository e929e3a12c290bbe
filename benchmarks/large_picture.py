"""Peak memory of one very large picture: 20 000 x 20 000 RGB, 20 concepts, a small tower.

The tower is ViT-S/32 with random weights (seed 0), windows of 224 px without overlap, snap as by
default; memory does not depend on what the numbers mean. The peak is the largest resident size of
the process, less what it was with the decoded picture in memory and the network at work.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.image import from_array
from ovseg_annotate.session import open_session
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Progress, Watch

SIDE = 20_000


def main() -> None:
    side = int(sys.argv[1]) if len(sys.argv) > 1 else SIDE
    session = open_session("naclip@random:ViT-S-32-alt:0", device="cpu", precision="float32")
    words = Vocabulary.parse("; ".join(f"thing {number}" for number in range(20)))
    options = AnnotateOptions(scale="native", overlap=0.0, contrast="none")
    rows = np.random.default_rng(0).integers(0, 256, (side, 1, 3), np.uint8)
    image = from_array(np.ascontiguousarray(np.broadcast_to(rows, (side, side, 3))))
    session.annotate(from_array(image.pixels[:512, :512].copy()), words, options)
    before = _resident()
    start = time.monotonic()
    result = session.annotate(image, words, options, Watch(progress=_Said()))
    took = time.monotonic() - start
    assert result.label_map.labels.shape == (side, side)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    name = f"peak memory over the decoded image, {side} x {side} px, 20 concepts"
    value = (peak - before) / 1e9
    line = {"name": name, "value": value, "target": 4.0, "unit": "GB", "reached": value <= 4.0}
    print(json.dumps(line))
    print(f"took {took:.0f} s", file=sys.stderr)


class _Said:
    """A line on stderr now and then: the work takes minutes."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, step: Progress) -> None:
        if time.monotonic() - self._last > 30:
            self._last = time.monotonic()
            print(f"{step.stage} {step.done} of {step.total}", file=sys.stderr, flush=True)


def _resident() -> int:
    """Bytes this process holds now; Linux only, as the benchmark machine."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
