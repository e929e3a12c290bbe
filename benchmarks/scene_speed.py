"""How many training scenes one core draws a second, at 96 px: all styles in their usual shares.

Pictures, exact instance masks and the truth about every region are counted; the texts are not.
Processor time is counted: it is the wall time on a free core, whatever else runs. The best of
three rounds over the same seeds is told.
"""

from __future__ import annotations

import json
import sys
import time

from ovseg_annotate.datasets.scenes import SceneRules, draw_scene

TARGET = 500.0  # scenes a second and core
ROUNDS = 3
SCENES = 1000


def main() -> None:
    scenes = int(sys.argv[1]) if len(sys.argv) > 1 else SCENES
    rules = SceneRules()
    for seed in range(50):  # what is drawn once and kept
        draw_scene(rules, seed)
    rate = scenes / min(processor_seconds(rules, scenes) for _ in range(ROUNDS))
    name = f"scenes of {rules.size} drawn, a second and core"
    tell(name, rate, TARGET, "scenes/s")
    tell(f"{name}, over the target", rate / TARGET, 1.0, "x")


def processor_seconds(rules: SceneRules, scenes: int) -> float:
    start = time.process_time()
    for seed in range(scenes):
        draw_scene(rules, seed)
    return time.process_time() - start


def tell(name: str, value: float, target: float, unit: str) -> None:
    line = {"name": name, "value": round(value, 4), "target": target, "unit": unit}
    print(json.dumps({**line, "reached": value >= target}), flush=True)


if __name__ == "__main__":
    main()
