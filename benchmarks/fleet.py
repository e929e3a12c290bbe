"""What a fleet on one machine gains and costs, and how much memory a large lake needs.

Pictures: generated scenes of 512 px; the bundled model. They are annotated in rounds of 80, each
round in every way one after the other, so that slow changes of the machine meet all of them. What
is compared is the time of all rounds; how far a round's ratio is from that is told as its spread.
On a virtual machine, a round in which the host gave more than 2 % of it to others is done again,
twice at most; the most of what was taken in the rounds that count is told. Over `annotate_many`,
both have all cores; over one worker, each worker has one thread.

Times are those of the parts' files: from when there are as many as workers until one fewer is left
to write, so that all workers have work meanwhile. Starting Ray and loading the model, told apart,
count on neither side. Of `annotate_many`, with records written as a run does, they begin with the
first record.

    python benchmarks/fleet.py [--pictures 400] [--regions 1000000]      # 0: not this one
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from PIL import Image as Pillow

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.annotation import Annotation
from ovseg_annotate.datasets.scenes import SceneRules, draw_scene
from ovseg_annotate.fleet.cluster import fleet
from ovseg_annotate.fleet.job import Job, SessionPlan
from ovseg_annotate.fleet.options import FleetOptions
from ovseg_annotate.fleet.pictures import listed
from ovseg_annotate.fleet.plan import planned
from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.lake import Answer, FileState, Lake, LakeReader, Storage
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.regions import AnnotatedImage, RegionOptions
from ovseg_annotate.run_folder import RunFolder, RunSettings, annotate_into, pictures_in
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("disc; square; ring; leaf; -ground; -sky")
SESSION = SessionPlan("naclip@mini", "cpu", "auto", None, {}, offline=True)
ROUND = 80  # pictures
TRIES = 3  # of a round
TAKEN = 0.02  # of a machine by its host, with which a round counts
PART = 4  # pictures: a sixteenth of what a part has as a rule
LAKE_PART = 64
REGIONS_A_PICTURE = 100
MEGABYTE = 1e6


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--pictures", type=int, default=400)
    flags.add_argument("--regions", type=int, default=1_000_000)
    flags.add_argument("--convert", type=Path, nargs=2, help=argparse.SUPPRESS)
    given = flags.parse_args()
    if given.convert:
        report_conversion(*given.convert)
    else:
        with tempfile.TemporaryDirectory() as folder:
            if given.pictures:
                report_speed(Path(folder), given.pictures)
            if given.regions:
                report_large_lake(Path(folder), given.regions)


@dataclass(frozen=True, slots=True)
class Timed:
    """How long some pictures took, and all before them."""

    pictures: int
    seconds: float
    starting: float = 0.0
    taken: float = 0.0  # share of the machine that its host gave to others

    @property
    def each(self) -> float:
        return self.seconds / self.pictures


def report_speed(folder: Path, count: int) -> None:
    """Two workers over one, and one worker over the single machine."""
    ways: dict[str, Callable[[Path, Path], Timed]] = {
        "many": single_time,
        "whole": partial(fleet_time, FleetOptions(workers=1)),
        "one": partial(fleet_time, FleetOptions(workers=1, worker_cpus=0.5)),
        "two": partial(fleet_time, FleetOptions(workers=2, worker_cpus=0.5)),
    }
    times: dict[str, list[Timed]] = {way: [] for way in ways}
    read = written = 0
    for start in range(0, count, ROUND):
        photos = folder / f"photos-{start}"
        photos.mkdir()
        for number in range(start, min(start + ROUND, count)):
            scene = draw_scene(SceneRules(size=Size(512, 512)), number)
            Pillow.fromarray(scene.pixels).save(photos / f"{number:05}.png")
        out = folder / f"out-{start}"
        for way, timed in quietest_round(ways, photos, out).items():
            times[way].append(timed)
        read += sum(path.stat().st_size for path in photos.iterdir())
        written += sum(path.stat().st_size for path in (out / "two-0").rglob("*.parquet"))
    pictures = f"{count} pictures of 512 px"
    tell_ratio(
        f"fleet local, 2 workers over 1, one thread each, {pictures}",
        times["one"],
        times["two"],
        1.7,
    )
    tell_ratio(
        f"fleet local, time of 1 worker over annotate_many, {pictures}",
        times["whole"],
        times["many"],
        1.1,
        at_most=True,
    )
    tell(
        "fleet local, naclip@mini, one worker of one thread",
        1 / together(times["one"]),
        None,
        "pictures/s",
    )
    most = max(each.taken for way in times.values() for each in way)
    name = "fleet local, most of the machine that its host took"
    tell(name, 100 * most, 100 * TAKEN, "%", at_most=True)
    starting = [each.starting for each in times["whole"]]
    tell("fleet local, from the command to the first part", median(starting), None, "s")
    tell("fleet, bytes read a picture of 512 px", read / count / 1e3, None, "kB")
    tell("fleet, bytes written a picture of 512 px", written / count / 1e3, None, "kB")


def quietest_round(
    ways: dict[str, Callable[[Path, Path], Timed]], photos: Path, out: Path
) -> dict[str, Timed]:
    """All ways, until the host took little of the machine meanwhile."""
    tries = []
    for number in range(TRIES):
        found = {}
        for way, take in ways.items():
            all_before, stolen_before = machine_seconds()
            timed = take(photos, out / f"{way}-{number}")
            all_after, stolen_after = machine_seconds()
            share = (stolen_after - stolen_before) / (all_after - all_before)
            found[way] = replace(timed, taken=share)
            print(
                f"{photos.name}, {way}: {timed.each:.3f} s a picture, "
                f"{share:.1%} taken by the host",
                flush=True,
            )
        tries.append(found)
        if max(each.taken for each in found.values()) <= TAKEN:
            break
    return min(tries, key=lambda each: max(timed.taken for timed in each.values()))


def machine_seconds() -> tuple[float, float]:
    """Of all CPUs together: how many were there, how many the host gave to others."""
    times = psutil.cpu_times()
    return sum(times), getattr(times, "steal", 0.0)


def together(times: Sequence[Timed]) -> float:
    """Seconds a picture, over all rounds."""
    return sum(each.seconds for each in times) / sum(each.pictures for each in times)


def fleet_time(options: FleetOptions, photos: Path, out: Path) -> Timed:
    """While all workers have work; what is before the first part is told beside it."""
    started = time.perf_counter()
    with fleet(options, on_cpu=True) as machines:
        settings = run_settings(machines.opened(SESSION, lambda: False).weights)
        pictures = listed([str(photos)], str(out))
        lake = Lake.adopted(Storage(str(out)), settings, PART, replace=False)
        plan = planned(lake, pictures, retry_failed=False)
        job = Job(SESSION, settings, str(out), PART)
        counts: dict[str, int] = {}
        for part in machines.annotated(job, plan.parts, lambda: False):
            counts[part.part] = len(part.pictures)
            if len(counts) == 1:
                starting = time.perf_counter() - started
    files = {path.stem.removeprefix("part-"): path for path in out.glob("pictures/*/*.parquet")}
    written = sorted((files[part].stat().st_mtime, count) for part, count in counts.items())
    begun, *counted = written[options.workers - 1 : len(written) - options.workers + 1]
    seconds = counted[-1][0] - begun[0]
    return Timed(sum(count for _, count in counted), seconds, starting)


def single_time(photos: Path, out: Path) -> Timed:
    """`annotate_many` with records, as `ovseg annotate` writes them."""
    with SESSION.opened() as session, RunFolder(out) as folder:
        folder.adopt(run_settings(session.weights_digest), replace=False)
        results = annotate_into(
            folder,
            pictures_in([photos]),
            lambda paths: session.annotate_many(paths, WORDS),
            RegionOptions(),
        )
        times = [time.perf_counter() for _ in results]
    return Timed(len(times) - 1, times[-1] - times[0])


def report_large_lake(folder: Path, regions: int) -> None:
    """Write a lake of many regions, then convert it in a process of its own."""
    lake = folder / "lake"
    adopted = Lake.adopted(Storage(str(lake)), run_settings("0" * 64), LAKE_PART, replace=False)
    del adopted
    parts = -(-regions // (LAKE_PART * REGIONS_A_PICTURE))
    started = time.perf_counter()
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(write_part, [str(lake)] * parts, range(parts), chunksize=8))
    print(f"a lake of {parts} parts written in {time.perf_counter() - started:.0f} s")
    written = sum(path.stat().st_size for path in lake.rglob("*.parquet"))
    count = parts * LAKE_PART * REGIONS_A_PICTURE
    assert all(len(each.regions) == REGIONS_A_PICTURE for each in drawn_images())
    tell("lake, bytes a region, masks included", written / count, None, "B")
    command = [sys.executable, __file__, "--convert", str(lake), str(folder / "coco")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    print(done.stdout, end="")


def report_conversion(lake: Path, out: Path) -> None:
    """Peak memory is that of this process, which does nothing else."""
    reader = LakeReader(str(lake))
    started = time.perf_counter()
    (path,) = format_named("coco").write(reader.images(), out)
    spent = time.perf_counter() - started
    count = len(reader) * REGIONS_A_PICTURE
    assert path.stat().st_size > count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    name = f"{count / 1e6:.2g} million regions, Parquet to COCO"
    tell(f"{name}, peak memory", peak, 1024, "MiB", at_most=True)
    tell(f"{name}, regions a second", count / spent, None, "regions/s")


def write_part(lake: str, part: int) -> None:
    """A hundred regions a picture, traced as those of a session."""
    job = Job(SESSION, run_settings("0" * 64), lake, LAKE_PART)
    answers = []
    for number, image in enumerate(drawn_images()):
        name = f"{part:06}/{number:03}.png"
        file = FileState(f"/photos/{name}", 400_000, "1")
        answers.append(Answer(name, file, "0" * 64, replace(image, name=name)))
    job.lake.write_part(answers)


@cache
def drawn_images() -> tuple[AnnotatedImage, ...]:
    """The pictures of a part; every part has them again, by other names."""
    images = [noise(seed).annotated_image("") for seed in range(LAKE_PART)]
    return tuple(replace(each, regions=each.regions[:REGIONS_A_PICTURE]) for each in images)


def noise(seed: int) -> Annotation:
    """A label map of 512 px whose cells of 28 px are ragged, no two neighbours alike."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((512, 512))
    ragged = rng.integers(-3, 4, (2, 512, 512)).cumsum(axis=2) // 16
    cells = (rows + ragged[0]) // 28 + (columns + ragged[1]) // 28
    labels = (cells % 2 + 1).astype(np.uint8)
    sure = rng.random((512, 512)).astype(np.float16)
    words = str(WORDS)
    made = Provenance("noise", "0" * 64, words, "", "8 bit", "float32", "0")
    return Annotation(str(seed), LabelMap(labels, sure, sure, WORDS), made)


def run_settings(weights: str) -> RunSettings:
    return RunSettings(
        model=SESSION.model,
        weights=weights,
        engine_options="",
        vocabulary=str(WORDS),
        annotate=AnnotateOptions(),
        regions=RegionOptions(),
        reading=ReadingOptions(),
    )


def tell_ratio(
    name: str,
    over: Sequence[Timed],
    under: Sequence[Timed],
    target: float,
    *,
    at_most: bool = False,
) -> None:
    ratio = together(over) / together(under)
    rounds = [one.each / other.each for one, other in zip(over, under, strict=True)]
    spread = max(abs(each - ratio) for each in rounds)
    tell(name, ratio, target, "x", at_most=at_most, spread=spread)


def tell(
    name: str,
    value: float,
    target: float | None,
    unit: str,
    *,
    at_most: bool = False,
    spread: float | None = None,
) -> None:
    reached = None
    if target is not None:
        reached = value <= target if at_most else value >= target
    row = {"name": name, "value": value, "spread": spread, "target": target, "unit": unit}
    print(json.dumps(row | {"reached": reached}), flush=True)


if __name__ == "__main__":
    main()
