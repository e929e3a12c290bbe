"""What importing the package costs: a fresh interpreter with it less one without, best of nine.

The best and not the mean, because whatever else runs on the machine can only make it slower.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

TARGET = 0.15  # seconds
ROUNDS = 9


def seconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def main() -> None:
    bare = min(seconds("pass") for _ in range(ROUNDS))
    with_package = min(seconds("import ovseg_annotate") for _ in range(ROUNDS))
    help_text = min(seconds("import ovseg_annotate.cli.app") for _ in range(ROUNDS))
    value = with_package - bare
    results = [
        {
            "name": "import ovseg_annotate",
            "value": round(value, 4),
            "target": TARGET,
            "unit": "s",
            "reached": value <= TARGET,
        },
        {
            "name": "import the command line with all its flags",
            "value": round(help_text - bare, 4),
            "target": None,
            "unit": "s",
            "reached": None,
        },
    ]
    for result in results:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
