"""What each stage costs a picture, and from that what 10^5, 10^7 and 10^9 pictures cost.

Measures stage by stage, one thread, scenes of 512 px, the bundled model. With `--page` it measures
nothing and writes the tables of docs/scale.md from results.json and the assumptions below.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image as Pillow

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.datasets.scenes import SceneRules, draw_scene
from ovseg_annotate.fleet.pictures import FleetPicture
from ovseg_annotate.fleet.plan import planned
from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import ReadingOptions, image_of_bytes
from ovseg_annotate.lake import Answer, FileState, Lake, LakeReader, Storage
from ovseg_annotate.regions import AnnotatedImage, RegionOptions
from ovseg_annotate.run_folder import RunSettings
from ovseg_annotate.vocabulary import Vocabulary

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
PAGE = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- begin: benchmarks/scale.py --page -->", "<!-- end -->"

WORDS = Vocabulary.parse("disc; square; ring; leaf; -ground; -sky")
PICTURES = 16
PLANNED = 50_000
PART = 64
NAMES = tuple(f"a/{number:02}.png" for number in range(PART))
MODEL = "naclip@mini"
COUNTS = (10**5, 10**7, 10**9)
DAY = 86_400.0  # s

DECODING, TOWER = "scale: decoding, 512 px, one thread", "scale: tower to label map, 512 px"
OUTLINING, WRITING = "scale: label map to regions, 512 px", "scale: rows to Parquet"
PLANNING, PLAN_MEMORY = "scale: planning", "scale: planning, memory"
CACHE, REGIONS = "scale: kept features, 512 px, naclip@mini", "scale: regions a picture"
READ, WRITTEN = "scale: read a picture of 512 px", "scale: written a picture"
CONVERSION = "scale: lake to COCO"
OBJECTS_A_PART = 3


@dataclass(frozen=True, slots=True)
class Assumption:
    """A number that nobody measured here."""

    value: float
    meaning: str


# Round numbers of November 2026, to be replaced by those of your contract and your cards.
CPU_HOUR = Assumption(0.04, "US$ for an hour of one CPU core")
GPU_HOUR = Assumption(2.5, "US$ for an hour of one GPU")
GPU_RATE = Assumption(100.0, "pictures/s of a ViT-B/16 on one GPU; not measured, not ours")
GPU_CORES = Assumption(16, "CPU cores beside each GPU, in its price")
STORED = Assumption(0.023, "US$ for a GB and month in a bucket")
PUTS = Assumption(5.0, "US$ for a million uploads")
GETS = Assumption(0.4, "US$ for a million downloads of an object")
CORRECTED = Assumption(0.01, "share of pictures that a person looks at and corrects")
SECONDS = Assumption(30, "seconds of a person for one of them")
PERSON_HOUR = Assumption(25, "US$ for an hour of a person")
ASSUMPTIONS = (
    *(CPU_HOUR, GPU_HOUR, GPU_RATE, GPU_CORES, STORED, PUTS, GETS),
    *(CORRECTED, SECONDS, PERSON_HOUR),
)


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--page", action="store_true")
    if flags.parse_args().page:
        write_page()
    else:
        measure()


def measure() -> None:
    import torch  # noqa: PLC0415  the page needs none

    from ovseg_annotate.feature_store import FeatureStore  # noqa: PLC0415  imports torch
    from ovseg_annotate.session import open_session  # noqa: PLC0415

    torch.set_num_threads(1)
    files = [encoded(number) for number in range(PICTURES)]
    images, decoding = timed(lambda data: image_of_bytes(data, "picture"), files)
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(folder=Path(folder) / "features")
        session = open_session(MODEL, device="cpu", cache=store)
        session.annotate(images[0], WORDS)
        annotations, tower = timed(lambda image: session.annotate(image, WORDS), images[1:])
        kept = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        answers, outlining = timed(lambda one: one.annotated_image("a.png"), annotations)
        tell(DECODING, 1000 * decoding, "ms")
        tell(TOWER, 1000 * tower, "ms")
        tell(OUTLINING, 1000 * outlining, "ms")
        tell(REGIONS, sum(len(each.regions) for each in answers) / len(answers), "regions")
        tell(CACHE, kept / PICTURES / 1e6, "MB")
        tell(READ, sum(map(len, files)) / PICTURES / 1e3, "kB")
        report_lake(Path(folder) / "lake", answers)


def report_lake(folder: Path, answers: list[AnnotatedImage]) -> None:
    """Writing a part, and planning beside a lake that holds everything already."""
    lake = Lake.adopted(Storage(str(folder)), settings(), 4096, replace=False)
    part = [
        Answer(name, FileState(name, 1, "1"), "0" * 64, replace(answer, name=name))
        for name, answer in zip(NAMES, answers * PART, strict=False)
    ]
    started = time.perf_counter()
    lake.write_part(part)
    tell(WRITING, 1000 * (time.perf_counter() - started) / len(part), "ms")
    written = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    tell(WRITTEN, written / len(part) / 1e3, "kB")
    started = time.perf_counter()
    format_named("coco").write(LakeReader(str(folder)).images(), folder.parent / "coco")
    tell(CONVERSION, len(part) / (time.perf_counter() - started), "pictures/s")
    pictures = [
        FleetPicture(f"{number:09}.png", FileState(f"s3://bucket/{number:09}.png", 1, "1"))
        for number in range(PLANNED)
    ]
    for start in range(0, PLANNED, 4096):
        some = pictures[start : start + 4096]
        lake.write_part([Answer(each.name, each.file, "", None, error="x") for each in some])
    started = time.perf_counter()
    plan = planned(lake, pictures, retry_failed=False)
    spent = time.perf_counter() - started
    assert plan.failed == PLANNED
    tell(PLANNING, PLANNED / spent, "pictures/s")
    tracemalloc.start()
    held = [
        FleetPicture(f"{n:09}.png", FileState(f"s3://bucket/{n:09}.png", 1, "1"))
        for n in range(1000)
    ]
    tell(PLAN_MEMORY, tracemalloc.get_traced_memory()[0] / len(held), "B/picture")
    tracemalloc.stop()


def timed(work: Callable, items: list) -> tuple[list, float]:
    """What the work gives, and its mean seconds."""
    started = time.perf_counter()
    made = [work(item) for item in items]
    return made, (time.perf_counter() - started) / len(items)


def encoded(number: int) -> bytes:
    file = io.BytesIO()
    scene = draw_scene(SceneRules(size=Size(512, 512)), number)
    Pillow.fromarray(scene.pixels).save(file, "PNG")
    return file.getvalue()


def settings() -> RunSettings:
    return RunSettings(
        model=MODEL,
        weights="0" * 64,
        engine_options="",
        vocabulary=str(WORDS),
        annotate=AnnotateOptions(),
        regions=RegionOptions(),
        reading=ReadingOptions(),
    )


def tell(name: str, value: float, unit: str) -> None:
    row = {"name": name, "value": value, "target": None, "unit": unit, "reached": None}
    print(json.dumps(row), flush=True)


class Costs:
    """Everything a count of pictures costs."""

    def __init__(self, measured: dict[str, float]) -> None:
        self._of = measured
        self.core = sum(measured[name] for name in (DECODING, TOWER, OUTLINING, WRITING)) / 1000
        self.beside_gpu = self.core - measured[TOWER] / 1000  # core seconds a picture

    def stages(self) -> Iterator[tuple[str, str]]:
        for name in (DECODING, TOWER, OUTLINING, WRITING):
            share = self._of[name] / 1000 / self.core
            yield name.removeprefix("scale: "), f"{number(self._of[name])} ms | {share:.1%}"

    def rows(self, count: int) -> list[str]:
        of, files = self._of, count / PART
        gpu_rate = min(GPU_RATE.value, GPU_CORES.value / self.beside_gpu)
        read, written = (count * of[name] * 1e3 for name in (READ, WRITTEN))
        people = count * CORRECTED.value * SECONDS.value / 3600
        uploads = files * OBJECTS_A_PART
        requests = (uploads * PUTS.value + count * GETS.value) / 1e6
        return [
            number(count * self.core / DAY),
            dollars(count * self.core / 3600 * CPU_HOUR.value),
            number(count / gpu_rate / DAY),
            dollars(count / gpu_rate / 3600 * GPU_HOUR.value),
            amount(read),
            amount(written),
            f"{dollars(written / 1e9 * STORED.value)} a month, {dollars(requests)} once",
            number(uploads),
            amount(count * of[CACHE] * 1e6),
            f"{duration(count / of[PLANNING])}, {amount(count * of[PLAN_MEMORY])}",
            duration(count / of[CONVERSION]),
            f"{people:,.0f} h, {dollars(people * PERSON_HOUR.value)}",
        ]


ROWS = (
    "machines of one core for a day, bundled model",
    "… money",
    "GPUs for a day, ViT-B/16 (assumed rate)",
    "… money",
    "read",
    "written as a lake",
    "… money, requests included",
    "objects of the lake",
    "features, if kept",
    "planning on the machine of the command: time, memory",
    "conversion to COCO, one process",
    "people, at the assumed share",
)


def write_page() -> None:
    measured = {row["name"]: row["value"] for row in json.loads(RESULTS.read_text())}
    costs = Costs(measured)
    lines = ["| stage, one core | time | share |", "|---|---|---|"]
    lines += [f"| {name} | {cells} |" for name, cells in costs.stages()]
    lines += ["", "| pictures | " + " | ".join(f"10^{len(str(n)) - 1}" for n in COUNTS) + " |"]
    lines += ["|---" * (len(COUNTS) + 1) + "|"]
    columns = [costs.rows(count) for count in COUNTS]
    for name, *cells in zip(ROWS, *columns, strict=True):
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| assumed, to be replaced (November 2026) | |", "|---|---|"]
    lines += [f"| {each.meaning} | {each.value:g} |" for each in ASSUMPTIONS]
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}" + rest.split(END)[1])


def amount(count: float) -> str:
    for size, unit in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e3:.3g} kB"


def number(count: float) -> str:
    return f"{count:,.0f}" if count >= 100 else f"{count:.3g}"


def dollars(count: float) -> str:
    return f"US$ {float(f'{count:.2g}'):,g}" if count < 1000 else f"US$ {count:,.0f}"


def duration(seconds: float) -> str:
    for size, unit in ((DAY, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


if __name__ == "__main__":
    main()
