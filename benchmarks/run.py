"""Run every benchmark beside this file and collect what they print.

A benchmark prints JSON lines {name, value, target, unit, reached}; other lines are passed on. The
results go to benchmarks/results.json and, as a table, to docs/benchmarks.md.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results.json"
TABLE = ROOT / "docs" / "benchmarks.md"

# Compared with the Label Studio SDK, which lives in an environment of its own.
_SDK_BENCHMARKS = frozenset({"label_studio_rle.py"})
# They train for an hour or more on a CPU, so they run only when they are named; their runs stay.
_TRAININGS = frozenset({"pgseg_prototypes.py", "sseg_training.py", "system_ablations.py"})
_RUNS = ROOT / "runs"
_SDK_PYTHON = os.environ.get(
    "OVSEG_LABEL_STUDIO_PYTHON", str(ROOT / ".venv-label-studio/bin/python")
)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number and what it should be."""

    name: str
    value: float
    target: float | None  # None: reported only
    unit: str
    reached: bool | None
    spread: float | None = None  # the largest distance of a repetition from the value


def main(names: Iterable[str]) -> int:
    """Run the named benchmarks, or all; 1 if one of them failed to run."""
    scripts = [HERE / name for name in names] or sorted(
        path for path in HERE.glob("*.py") if path.name not in ("run.py", *_TRAININGS)
    )
    measured: list[Measurement] = []
    failed = []
    for script in scripts:
        print(f"-- {script.name}", file=sys.stderr, flush=True)
        try:
            for each in _run(script):  # what a benchmark told before it failed is kept
                measured.append(each)
                print(json.dumps(asdict(each)), flush=True)
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"{script.name} failed: {error}", file=sys.stderr)
            failed.append(script.name)
    kept = _merged(_earlier(), measured)
    RESULTS.write_text(json.dumps([asdict(each) for each in kept], indent=1) + "\n")
    TABLE.write_text(_table(kept))
    return 1 if failed else 0


def _run(script: Path) -> Iterator[Measurement]:
    interpreter = _SDK_PYTHON if script.name in _SDK_BENCHMARKS else sys.executable
    command = [interpreter, "-u", str(script)]
    if script.name in _TRAININGS:
        command.append(str(_RUNS / script.stem))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        yield from _measurements(running.stdout)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)


def _measurements(lines: Iterable[str]) -> Iterator[Measurement]:
    for line in lines:
        if line.startswith("{"):
            yield Measurement(**json.loads(line))
        elif line.strip():
            print(line, file=sys.stderr)


def _earlier() -> list[Measurement]:
    if not RESULTS.exists():
        return []
    return [Measurement(**each) for each in json.loads(RESULTS.read_text())]


def _merged(earlier: list[Measurement], measured: list[Measurement]) -> list[Measurement]:
    """New numbers replace old ones of the same name; a single benchmark can be run again."""
    by_name = {each.name: each for each in (*earlier, *measured)}
    return list(by_name.values())


def _table(measured: list[Measurement]) -> str:
    rows = "".join(
        f"| {each.name} | {_value(each)} | {_target(each)} | {_verdict(each)} |\n"
        for each in measured
    )
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return (
        "# Benchmarks\n\n"
        f"Written by `make bench` ({machine}). Each benchmark says in its file what it measures, "
        "on what and against what; ratios come from one run.\n\n"
        "| what | measured | target | reached |\n|---|---|---|---|\n" + rows
    )


def _value(each: Measurement) -> str:
    spread = "" if each.spread is None else f" ± {each.spread:.2g}"
    return f"{each.value:.4g}{spread} {each.unit}"


def _target(each: Measurement) -> str:
    if each.target is None:
        return ""
    # A benchmark tells whether it was reached; which way it counts follows from that.
    sign = "<=" if each.reached == (each.value <= each.target) else ">="
    return f"{sign} {each.target:g} {each.unit}"


def _verdict(each: Measurement) -> str:
    return "" if each.reached is None else ("yes" if each.reached else "**no**")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
