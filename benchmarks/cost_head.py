"""Time and memory of the head that the trained engines share, beside its plain published form.

The published sizes on ViT-B/16: windows of 24 x 24 cells, random weights and features (seed 0),
CPU, float32, one thread. Prints JSON lines {name, value, target, unit, reached}. In the plain form
the concepts are filled up to 256 with copies of one token that are computed like all others.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.cost.aggregation import AggregationLayer
from ovseg_annotate.cost.mixing import ConceptMixing
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.cost.trunk import CostTrunk, probabilities

RUNS = 3
SIZES = TrunkSizes(shared=512, tower=768)
SEVERAL, MANY = 5, 847
WINDOWS = 5  # of a picture of 640 px: four of 384 px and the whole
PUBLISHED = TrunkOptions()
ALL = TrunkOptions(keep=0)
UNCHUNKED = TrunkOptions(keep=0, cells_at_once=10**9)


class WrittenOut(nn.Module):
    """A mixing that computes its padding concepts one by one."""

    def __init__(self, counted: ConceptMixing) -> None:
        super().__init__()
        self.counted = counted
        self.padded_to, counted.padded_to = counted.padded_to, 0

    def forward(self, chunks: Iterable[Tensor], guide: Tensor) -> Iterator[Tensor]:
        chunk = torch.cat(list(chunks), dim=1)
        windows, concepts, rows, columns, _ = chunk.shape
        missing = max(self.padded_to - concepts, 0)
        pads = self.counted.pad_token[:, :, None, None].expand(windows, missing, rows, columns, -1)
        words = self.counted.pad_guide.expand(len(guide), missing, -1)
        answers = self.counted([torch.cat([chunk, pads], dim=1)], torch.cat([guide, words], dim=1))
        yield torch.cat(list(answers), dim=1)[:, :concepts]


def main(windows: int) -> None:
    torch.set_num_threads(1)
    report_padding()
    report_times()
    report_chunks()
    memory = extra_memory(windows)
    report(f"cost head, {MANY} concepts, {windows} windows: memory", memory, 2048, "MB")


def report_padding() -> None:
    counted, seen, text = trunk(), features(1, 24), words(SEVERAL)
    plain = with_padding_written_out(trunk())
    mine, other = interleaved(partial(counted, seen, text), partial(plain, seen, text))
    name = f"cost head, {SEVERAL} concepts"
    report(f"{name}: padding written out / counted", other / mine, 3.0, "x", at_least=True)
    difference = (counted(seen, text) - plain(seen, text)).abs().max().item()
    report(f"{name}: difference of the two", difference, 1e-5, "")


def report_times() -> None:
    head, seen = trunk(), features(1, 24)
    for concepts in (1, SEVERAL, 20):
        run = partial(head, seen, words(concepts))
        report(f"cost head, {concepts} concepts, a window", fastest(run), None, "s")


def report_chunks() -> None:
    """On a quarter of the cells: without chunks the whole grid takes about ten gigabytes."""
    seen, text = features(1, 12), words(MANY)
    chunked, whole = trunk(ALL), trunk(UNCHUNKED)
    difference = (chunked(seen, text) - whole(seen, text)).abs().max().item()
    report(f"cost head, {MANY} concepts: difference by chunks", difference, 1e-5, "")


def extra_memory(windows: int) -> float:
    """Peak of a fresh process in MB, less what it held before; Linux only."""
    command = [sys.executable, __file__, "memory", str(windows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure_memory(windows: int) -> None:
    torch.set_num_threads(1)
    head, seen, text = trunk(ALL), features(windows, 24), words(MANY)
    probabilities(head, features(1, 24), words(1))  # what torch loads lazily
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = resident("VmRSS")
    probabilities(head, seen, text)
    print(resident("VmHWM") - before)


def resident(field: str) -> float:
    """One of the kernel's counters of this process, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field} in /proc/self/status")


def trunk(options: TrunkOptions = PUBLISHED) -> CostTrunk:
    return CostTrunk(SIZES, options).eval().requires_grad_(requires_grad=False)


def with_padding_written_out(head: CostTrunk) -> CostTrunk:
    for layer in head.layers:
        assert isinstance(layer, AggregationLayer)
        assert layer.mixing is not None
        layer.mixing = WrittenOut(layer.mixing)  # type: ignore[assignment]
    return head


def features(windows: int, side: int) -> TappedFeatures:
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(windows, *shape, generator=generator)

    return TappedFeatures(
        cells=drawn(SIZES.shared, side, side),
        taps=drawn(2, SIZES.tower, side, side),
        whole=drawn(SIZES.shared),
    )


def words(concepts: int) -> Tensor:
    generator = torch.Generator().manual_seed(concepts)
    return torch.randn(1, concepts, 1, SIZES.shared, generator=generator)


def interleaved(first: Callable[[], Tensor], second: Callable[[], Tensor]) -> tuple[float, float]:
    """The quickest run of both, in turns so that both meet the same load."""
    pairs = [(seconds(first), seconds(second)) for _ in range(RUNS)]
    return min(mine for mine, _ in pairs), min(other for _, other in pairs)


def fastest(run: Callable[[], Tensor]) -> float:
    return min(seconds(run) for _ in range(RUNS))


def seconds(run: Callable[[], Tensor]) -> float:
    """Of the processor: on a busy machine the steadier number."""
    start = time.process_time()
    run()
    return time.process_time() - start


def report(
    name: str, value: float, target: float | None, unit: str, *, at_least: bool = False
) -> None:
    reached = None
    if target is not None:
        reached = value >= target if at_least else value <= target
    line = {"name": name, "value": float(f"{value:.4g}"), "target": target, "unit": unit}
    print(json.dumps({**line, "reached": reached}), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory"]:
        measure_memory(int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else WINDOWS)
