"""`ovseg annotate`, killed over and over.

What must hold afterwards: every picture has one record and none is torn; records are byte for
byte those of a run that nobody disturbed; exports are whole; what a person corrected in between
is as they left it; nothing half-written lies about.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from annotated_samples import annotated
from effort import Effort
from PIL import Image as PillowImage
from soak.kills import files_in, finished, killed, leftovers_in

from ovseg_annotate.formats import native
from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.run_folder import RunFolder, RunReader

DRIVER = Path(__file__).parent / "annotate_driver.py"


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)
        pixels[:, : number % 32] = (255, 0, 0)
        PillowImage.fromarray(pixels).save(folder / f"{number:03}.png")
    return folder


def records_there(out: Path, count: int) -> Callable[[], bool]:
    return lambda: out.exists() and sum(1 for _ in (out / "records").rglob("*.json")) >= count


def test_nothing_is_lost_doubled_or_torn(tmp_path: Path, effort: Effort) -> None:
    chance = effort.chance("annotate")
    count = effort.rounds(short=24, long=100)
    photos = pictures(tmp_path / "photos", count)
    whole, out = tmp_path / "whole", tmp_path / "out"
    finished((DRIVER, photos, whole))
    expected = files_in(whole / "records")
    assert len(expected) == count

    struck = 0
    for _ in effort.numbers(short=2, long=30, seconds=20):
        moment = chance.randrange(count)

        struck += killed((DRIVER, photos, out), records_there(out, moment), chance)
        found = files_in(out / "records", "*.json")
        assert all(expected[name] == content for name, content in found.items())
        if chance.random() < 0.3:  # begin again, so that early moments come, too
            shutil.rmtree(out)
    assert struck
    finished((DRIVER, photos, out))
    assert files_in(out / "records") == expected
    assert len(list(RunReader(out).records())) == count
    for name in ("coco", "masks"):
        assert len(list(format_named(name).read(out / name))) == count
        assert files_in(out / name) == files_in(whole / name)
    assert not leftovers_in(out)


def test_corrections_made_between_kills_stay(tmp_path: Path, effort: Effort) -> None:
    chance = effort.chance("corrections")
    photos, out = pictures(tmp_path / "photos", 30), tmp_path / "out"
    corrected: dict[str, bytes] = {}
    for number in effort.numbers(short=1, long=15, seconds=20):
        name = f"{chance.randrange(30):03}.png"
        killed((DRIVER, photos, out), records_there(out, number + 1), chance)
        with RunFolder(out) as folder:
            path = folder.save_correction(annotated(name, "green"), accepted=chance.random() < 0.5)
        corrected[path.name] = path.read_bytes()
    finished((DRIVER, photos, out))
    records = files_in(out / "records")
    assert len(records) == 30
    assert {name: records[name] for name in corrected} == corrected
    for name in corrected:
        kind = native.read_record(out / "records" / name).kind
        assert kind in (native.Kind.CORRECTION, native.Kind.ACCEPTED)
