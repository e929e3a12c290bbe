"""`ovseg annotate` with answers that are known: python annotate_driver.py PICTURES OUT."""

from __future__ import annotations

import sys
from pathlib import Path

from cli.fake_annotator import FakeOpener, request

from ovseg_annotate.cli.annotate import annotate_pictures
from ovseg_annotate.cli.annotate_report import Report
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.cli.talk import Talk

if __name__ == "__main__":
    pictures, out = map(Path, sys.argv[1:])
    with StopSignals() as stops:
        asked = request(pictures, out, formats=("coco", "masks"))
        sys.exit(annotate_pictures(asked, FakeOpener(), stops, Report(Talk(), json=False)))
