"""Time and memory of the refinement, beside the plain form of the published formula.

Prints JSON lines {name, value, target, unit, reached}. Scores are an enlarged random grid, which
is the hard case: nearly every block has several possible winners.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.refine.options import PamrSchedule, RefineOptions
from ovseg_annotate.refine.strips import refine_strip

RUNS = 3
MEGABYTE = 2**20
CASES = (
    # side, concepts, method, most seconds allowed (None: reported only)
    (512, 6, "snap", 0.15),
    (512, 21, "snap", None),
    (512, 6, "denoise", 0.5),
    (2048, 6, "snap", 2.5),
    (2048, 21, "snap", None),
)


class Cost(NamedTuple):
    """What one run took; on a busy machine the second number is the steadier one."""

    seconds: float
    processor_seconds: float


def main() -> None:
    for side, concepts, method, allowed in CASES:
        name = f"refine {method} {side} x {side}, {concepts} concepts"
        scores, guide = picture(side, concepts)
        options = RefineOptions(method)  # type: ignore[arg-type]
        ours = partial(refine_strip, scores, guide, options)
        assert options.schedule is not None
        # The plain form of the large pictures needs more memory than many machines have.
        if side <= 512:
            plain = partial(plain_pamr, scores, guide, options.schedule)
            mine, published = interleaved(ours, plain)
            report(
                f"{name}: plain form / ours",
                published.seconds / mine.seconds,
                4.0,
                "x",
                at_least=True,
            )
        else:
            mine = min(cost_of(ours) for _ in range(RUNS))
        report(name, mine.seconds, allowed, "s")
        report(f"{name}: processor time", mine.processor_seconds, None, "s")
        del scores, guide, ours
        report(f"{name}: memory beside the result", extra_memory(side, concepts, method), 400, "MB")


def picture(side: int, concepts: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((1, concepts, side // 16, side // 16), generator=generator) * 3
    scores = functional.interpolate(logits, (side, side), mode="bilinear")[0].softmax(0)
    colours = torch.rand((1, 3, side // 24, side // 24), generator=generator)
    guide = functional.interpolate(colours, (side, side), mode="nearest")[0]
    return scores, guide * 0.9 + torch.rand(guide.shape, generator=generator) * 0.1


def plain_pamr(scores: Tensor, guide: Tensor, schedule: PamrSchedule) -> Tensor:
    """All neighbours of all concepts of the whole picture at once, as it was published."""
    around = neighbours(guide, schedule.dilations)  # (c, r, h, w)
    centre = guide[:, None]
    samples = torch.cat([around, centre.expand(-1, len(schedule.dilations), -1, -1)], dim=1)
    sigma = samples.std(dim=1, keepdim=True)
    weights = torch.softmax(-((around - centre).abs() / (1e-8 + 0.1 * sigma)).mean(0), dim=0)
    for _ in range(schedule.iterations):
        scores = (weights * neighbours(scores, schedule.dilations)).sum(1)
    return scores


def neighbours(values: Tensor, dilations: tuple[int, ...]) -> Tensor:
    height, width = values.shape[1:]
    found = []
    for dilation in dilations:
        padded = functional.pad(values, (dilation,) * 4, mode="replicate")
        for down in range(0, 3 * dilation, dilation):
            for right in range(0, 3 * dilation, dilation):
                if (down, right) != (dilation, dilation):
                    found.append(padded[:, down : down + height, right : right + width])
    return torch.stack(found, dim=1)


def interleaved(first: Callable[[], Tensor], second: Callable[[], Tensor]) -> tuple[Cost, Cost]:
    """The cheapest run of both, taken in turns so that both meet the same load."""
    pairs = [(cost_of(first), cost_of(second)) for _ in range(RUNS)]
    return min(mine for mine, _ in pairs), min(other for _, other in pairs)


def cost_of(work: Callable[[], Tensor]) -> Cost:
    start, processor = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - start, time.process_time() - processor)


def extra_memory(side: int, concepts: int, method: str) -> float:
    """Peak of a fresh process in MB, less inputs and result; Linux only."""
    done = subprocess.run(
        [sys.executable, __file__, str(side), str(concepts), method],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def measure_memory(side: int, concepts: int, method: str) -> None:
    scores, guide = picture(side, concepts)
    options = RefineOptions(method)  # type: ignore[arg-type]
    refine_strip(scores[:, :32, :32], guide[:, :32, :32], options)  # what torch loads lazily
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the picture
    before = resident("VmRSS")
    result = refine_strip(scores, guide, options)
    print(resident("VmHWM") - before - result.nbytes / MEGABYTE)


def resident(field: str) -> float:
    """One of the kernel's counters of this process, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field} in /proc/self/status")


def report(
    name: str, value: float, target: float | None, unit: str, *, at_least: bool = False
) -> None:
    reached = None
    if target is not None:
        reached = value >= target if at_least else value <= target
    line = {"name": name, "value": round(value, 4), "target": target, "unit": unit}
    print(json.dumps({**line, "reached": reached}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 4:
        measure_memory(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
    else:
        main()
