"""Peak memory of one very large picture: 20 000 x 20 000 RGB, 20 concepts, a small tower.

The tower has random weights (seed 0), 64 px wide tokens, windows of 96 px without overlap; memory
does not depend on what the numbers mean. The peak is the largest resident size of the process,
less what it was with the decoded picture in memory and the network loaded.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "backbones"))
from micro import write_micro_clip

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.annotation import Progress
from ovseg_annotate.image import from_array
from ovseg_annotate.scoring import Watch
from ovseg_annotate.session import open_session
from ovseg_annotate.vocabulary import Vocabulary

SIDE = 20_000


def main() -> None:
    side = int(sys.argv[1]) if len(sys.argv) > 1 else SIDE
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(f"naclip@{write_micro_clip(Path(folder) / 'tower')}", device="cpu")
        words = Vocabulary.parse("; ".join(f"thing {number}" for number in range(20)))
        options = replace(AnnotateOptions(scale="native"), overlap=0.0, contrast="none")
        rows = np.random.default_rng(0).integers(0, 256, (side, 1, 3), np.uint8)
        image = from_array(np.ascontiguousarray(np.broadcast_to(rows, (side, side, 3))))
        session.annotate(from_array(image.pixels[:512, :512].copy()), words, options)
        before = _resident()
        last = [0.0]

        def say(step: Progress) -> None:
            if time.monotonic() - last[0] > 30:
                last[0] = time.monotonic()
                print(f"{step.stage} {step.done} of {step.total}", file=sys.stderr, flush=True)

        start = time.monotonic()
        result = session.annotate(image, words, options, Watch(progress=say))
        took = time.monotonic() - start
        assert result.label_map.labels.shape == (side, side)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    name = f"peak memory over the decoded image, {side} x {side} px, 20 concepts"
    value = (peak - before) / 1e9
    line = {"name": name, "value": value, "target": 4.0, "unit": "GB", "reached": value <= 4.0}
    print(json.dumps(line))
    print(f"took {took:.0f} s", file=sys.stderr)


def _resident() -> int:
    """Bytes this process holds now; Linux only, as the benchmark machine."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
