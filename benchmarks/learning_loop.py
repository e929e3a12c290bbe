"""What learning from corrections is worth: a simulated annotator and held-out pictures.

Prints JSON lines {name, value, target, unit, reached} and draws docs/learning_loop.svg.

The annotator knows the truth and mends what is worst first: of the connected areas of the truth
that with the most wrong pixels becomes right, at most `ACTIONS` a picture. Effort is counted by
`evaluation.effort`: pixels relabelled, and beside them regions changed, removed and drawn. The
pool's score counts pictures as they are left: mended where somebody was, as suggested elsewhere.
Scenes are held-out microscopy asked in words of which every third was never taught. Nuclei are the
validation pictures of the folder `nuclei` in OVSEG_SHARED_DATA, when it is there.

    python benchmarks/learning_loop.py [--pictures 24] [--seeds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as numbered

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.annotation import Annotation
from ovseg_annotate.datasets.nuclei import is_nuclei_folder, validation_folders
from ovseg_annotate.datasets.scenes import (
    HeldOut,
    SceneRules,
    SceneStyle,
    draw_scene,
    held_out_scene,
    semantic_map,
)
from ovseg_annotate.evaluation.confusion import Confusion
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import Image, from_array, read_image
from ovseg_annotate.learning_loop.choice import chosen, shuffled
from ovseg_annotate.learning_loop.corrections import Correction, correction_of
from ovseg_annotate.learning_loop.looks import Look
from ovseg_annotate.learning_loop.project import Asked, Project
from ovseg_annotate.learning_loop.uncertainty import picture_uncertainty, pixel_uncertainty
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.vocabulary import Concept, Vocabulary

How = Literal["active", "random", "none"]
Labels = NDArray[np.int64]

ACTIONS = 12  # of the annotator, in one picture
EVERY = 2  # corrected pictures from one refresh to the next
GOAL = 0.90  # mIoU over the pool
OPTIONS = AnnotateOptions()
PLOT = Path(__file__).parent.parent / "docs" / "learning_loop.svg"
COLOURS = {"active": "#0b6e4f", "random": "#c77700", "none": "#777777"}


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A picture and its true labels, in the order of the pool's words."""

    image: Image
    truth: Labels  # 0: none of the words


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Pictures that are asked for with the same words."""

    words: Vocabulary
    pictures: dict[str, Known]

    @property
    def asked(self) -> Asked:
        return Asked(self.words, OPTIONS, lambda name: self.pictures[name].image)


@dataclass(frozen=True, slots=True)
class Point:
    """Where a curve stands after some corrections."""

    effort: int  # pixels relabelled
    regions: int  # changed, removed and drawn
    score: float  # mIoU over the pool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    session = open_session("naclip@mini", device="cpu")
    report_one_correction(session)
    report_untouched(session, given.pictures)
    report_curves(session, given.pictures, given.seeds)
    shared = os.environ.get("OVSEG_SHARED_DATA")
    if shared and is_nuclei_folder(Path(shared) / "nuclei"):
        for word in ("nucleus", "zorble"):
            report_nuclei(session, Path(shared) / "nuclei", word)


def report_curves(session: Session, pictures: int, seeds: int) -> None:
    """Quality over effort, three ways."""
    curves: dict[How, list[list[Point]]] = {"active": [], "random": [], "none": []}
    for seed in range(seeds):
        pool = scene_pool(pictures, first=seed * pictures)
        for how, found in curves.items():
            found.append(list(curve(session, pool, how, seed)))
    efforts = {how: [effort_to(GOAL, points) for points in found] for how, found in curves.items()}
    for how, spent in efforts.items():
        tell(f"scenes: effort to {GOAL} mIoU over the pool, {how}", mean(spent), "px")
    learning = ratio(efforts["active"], efforts["none"])
    tell("scenes: effort with learning over without", learning, "of it", at_most=0.5)
    order = ratio(efforts["active"], efforts["random"])
    tell("scenes: effort in active order over random order", order, "of it", at_most=0.8)
    in_regions = [
        [
            effort_to(GOAL, [replace(each, effort=each.regions) for each in points])
            for points in found
        ]
        for found in (curves["active"], curves["none"])
    ]
    tell("scenes: the same counted in regions", ratio(*in_regions), "of it")
    for share in (0.25, 0.5):
        for how, found in curves.items():
            least = min(points[-1].effort for points in curves["none"]) * share
            scores = [score_at(least, points) for points in found]
            tell(f"scenes: mIoU after {share:.0%} of the whole effort, {how}", mean(scores), "mIoU")
    PLOT.write_text(plotted(curves))


def curve(session: Session, pool: Pool, how: How, seed: int) -> Iterator[Point]:
    """Correct every picture of a pool, one by one."""
    vectors = {name: session.picture_vector(each.image) for name, each in pool.pictures.items()}
    order = shuffled(pool.pictures, seed)
    left: dict[str, Labels] = {}
    effort = regions = 0
    with tempfile.TemporaryDirectory() as folder, Project(Path(folder)) as project:
        suggested = suggestions(session, pool, pool.pictures)
        yield Point(0, 0, score_of(pool, suggested, left))
        while len(left) < len(pool.pictures):
            if how == "active":
                name = most_useful(suggested, vectors, left)
            else:
                name = next(each for each in order if each not in left)
            correction, left[name] = mended(name, pool, suggested[name])
            done = correction.effort
            effort += done.pixels_relabelled
            regions += done.regions_changed + done.regions_removed + done.regions_drawn
            project.take(correction)
            if how != "none" and len(left) % EVERY == 0:
                project.refresh(session, pool.asked)
                current = project.current
                taught = session.taught(None if current is None else current.lesson)
                open_ones = [each for each in pool.pictures if each not in left]
                suggested |= suggestions(taught, pool, open_ones)
            yield Point(effort, regions, score_of(pool, suggested, left))


def most_useful(
    suggested: dict[str, Annotation],
    vectors: dict[str, NDArray[np.float32]],
    left: dict[str, Labels],
) -> str:
    """What `ovseg queue` names first."""

    def look(name: str) -> Look:
        label_map = suggested[name].label_map
        doubt = picture_uncertainty(label_map, pixel_uncertainty(label_map))
        vector = vectors[name].astype(np.float16)
        return Look(name, name, doubt.uncertainty, doubt.patches, vector)

    looks = {name: look(name) for name in suggested}
    open_ones = [each for name, each in looks.items() if name not in left]
    return chosen(open_ones, [looks[name] for name in left], 1, "both")[0].picture


def mended(
    name: str, pool: Pool, annotation: Annotation, only: frozenset[int] | None = None
) -> tuple[Correction, Labels]:
    """What the annotator makes of a suggestion; `only` some labels are of interest to them."""
    labels = annotation.label_map.labels.astype(np.int64)
    truth = pool.pictures[name].truth
    areas = areas_of(truth)
    touched = []
    for _ in range(ACTIONS):
        wrong = np.bincount(areas[labels != truth], minlength=areas.max() + 1)
        if only is not None:
            there = {int(area) for area in np.unique(areas[np.isin(truth, list(only))])}
            wrong = np.array([count * (area in there) for area, count in enumerate(wrong)])
        worst = int(wrong.argmax())
        if not wrong[worst]:
            break
        labels[areas == worst] = truth[areas == worst]
        touched.append(worst)
    before = annotated(name, pool, annotation.label_map.labels.astype(np.int64))
    before = replace(before, provenance=annotation.provenance)
    # Whoever cares for all the words hands the picture in when nothing large is wrong any more.
    return correction_of(before, annotated(name, pool, labels), accepted=only is None), labels


def annotated(name: str, pool: Pool, labels: Labels) -> AnnotatedImage:
    """One region for each connected area of a label."""
    areas = areas_of(labels)
    regions = []
    for area in np.unique(areas[labels > 0]).tolist():
        mask = areas == area
        concept = pool.words.names[int(labels[mask][0]) - 1]
        regions.append(Region(concept, (), Mask.of(mask)))
    return AnnotatedImage(name, Size(*labels.shape), tuple(regions), pool.words, None)


def areas_of(labels: Labels) -> Labels:
    """Connected areas of equal label, numbered from 0."""
    areas = np.zeros(labels.shape, np.int64)
    first = 0
    for value in np.unique(labels):
        own, count = numbered(labels == value)
        areas[own > 0] = own[own > 0] + first - 1
        first += count
    return areas


def suggestions(
    session: Session, pool: Pool, names: Sequence[str] | dict[str, Known]
) -> dict[str, Annotation]:
    return {name: session.annotate(pool.pictures[name].image, pool.words) for name in names}


def score_of(pool: Pool, suggested: dict[str, Annotation], left: dict[str, Labels]) -> float:
    return confusion_of(pool, suggested, left).mean_iou


def confusion_of(
    pool: Pool, suggested: dict[str, Annotation], left: dict[str, Labels]
) -> Confusion:
    total = Confusion.empty(len(pool.words))
    for name, known in pool.pictures.items():
        own = left[name] if name in left else suggested[name].label_map.labels.astype(np.int64)
        total += Confusion.of(known.truth, own, len(pool.words))
    return total


def scene_pool(pictures: int, first: int) -> Pool:
    """Held-out microscopy; every third word is one that was never taught."""
    scenes = [held_out_scene(HeldOut.MICROSCOPY, "any", first + n) for n in range(pictures)]
    names = sorted({region.name for scene in scenes for region in scene.regions})
    concepts = [
        Concept(name, (f"zorble {number}",) if number % 3 == 2 else ())
        for number, name in enumerate(names)
    ]
    known = {
        f"{number:03}": Known(from_array(scene.pixels), semantic_map(scene, names).astype(np.int64))
        for number, scene in enumerate(scenes)
    }
    return Pool(Vocabulary(tuple(concepts)), known)


def report_untouched(session: Session, pictures: int) -> None:
    """Concepts that nobody corrects, on pictures that nobody saw, when others are learnt."""
    pool, others = scene_pool(pictures, 0), scene_pool(pictures, 0)
    names = list(pool.pictures)
    learnt, judged = names[::2], names[1::2]
    others = replace(others, pictures={name: pool.pictures[name] for name in judged})
    corrected = frozenset(range(1, len(pool.words) + 1, 2))
    with tempfile.TemporaryDirectory() as folder, Project(Path(folder)) as project:
        for name in learnt:
            found = session.annotate(pool.pictures[name].image, pool.words)
            correction, _ = mended(name, pool, found, corrected)
            project.take(correction)
        project.refresh(session, pool.asked)
        current = project.current
        taught = session.taught(None if current is None else current.lesson)
    named = {each.casefold() for each in (() if current is None else current.lesson.concepts)}
    before, after = (
        confusion_of(others, suggestions(each, others, judged), {}).iou
        for each in (session, taught)
    )
    rows = np.array([name.casefold() in named for name in pool.words.names])
    there = (
        confusion_of(others, suggestions(session, others, judged), {}).counts.sum(axis=1)[1:] > 0
    )
    change = 100 * (np.nan_to_num(after) - np.nan_to_num(before))
    name = f"scenes: change of IoU of {int((there & ~rows).sum())} concepts without corrections"
    tell(name, float(change[there & ~rows].mean()), "points", at_least=-0.5)
    name = f"scenes: change of IoU of {int((there & rows).sum())} concepts with corrections"
    tell(name, float(change[there & rows].mean()), "points")


def report_one_correction(session: Session, further: tuple[str, ...] = ()) -> None:
    """From one correction to new suggestions, 1024 x 1024 on kept features.

    `further` phrases of each concept, none of which means it.
    """
    rules = SceneRules(SceneStyle.MICROSCOPY, Size(1024, 1024), object_scale=4.0)
    scene = draw_scene(rules, 3)
    names = sorted({region.name for region in scene.regions})
    words = Vocabulary(tuple(Concept(name, (f"zorble {name[0]}", *further)) for name in names))
    known = Known(from_array(scene.pixels), semantic_map(scene, names).astype(np.int64))
    pool = Pool(words, {"large": known})
    found = session.annotate(known.image, words)
    correction, _ = mended("large", pool, found)
    spent = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder, Project(Path(folder)) as project:
            start = time.perf_counter()
            project.take(correction)
            project.refresh(session, pool.asked)
            current = project.current
            session.taught(None if current is None else current.lesson).annotate(known.image, words)
            spent.append(time.perf_counter() - start)
    name = "one correction to new suggestions, 1024 x 1024 on kept features"
    if further:
        name += f", {1 + len(further)} phrases a concept"
    tell(name, min(spent), "s", at_most=2.0)


def report_nuclei(session: Session, folder: Path, word: str) -> None:
    """Ten corrected pictures of three kinds, judged on the others."""
    words = Vocabulary((Concept("nucleus", (word,)),))
    shares = {"brightfield": 1, "fluorescence": 5, "stained": 4}
    pool = Pool(words, {})
    learnt: list[str] = []
    for kind, files in validation_folders(folder).items():
        some = [pair for pair in files.files if kind == "brightfield" or small(pair[0])][:16]
        for number, (picture, labels) in enumerate(some):
            truth = (np.asarray(read_labels(labels)) > 0).astype(np.int64)
            pool.pictures[picture.name] = Known(read_image(picture), truth)
            if number < shares.get(kind, 0):
                learnt.append(picture.name)
    others = [name for name in pool.pictures if name not in learnt]
    with tempfile.TemporaryDirectory() as project_folder, Project(Path(project_folder)) as project:
        for name in learnt:
            left = annotated(name, pool, pool.pictures[name].truth)
            before = session.annotate(pool.pictures[name].image, words).annotated_image(name)
            project.take(correction_of(before, left, accepted=True))
        project.refresh(session, pool.asked)
        current = project.current
    taught = session.taught(None if current is None else current.lesson)
    gains = []
    for kind in shares:
        own = [name for name in others if name.startswith(kind)]
        was, now = (
            mean([nucleus_iou(each, pool, name) for name in own]) for each in (session, taught)
        )
        gains.append(now - was)
        what = f"{kind}, {word!r}: foreground IoU after {len(learnt)} corrected"
        tell(what, now, "IoU", at_least=was)
    what = f"nuclei, {word!r}: gain of foreground IoU, mean of kinds"
    tell(what, mean(gains), "IoU", at_least=0.15)


def nucleus_iou(session: Session, pool: Pool, name: str) -> float:
    known = pool.pictures[name]
    labels = session.annotate(known.image, pool.words).label_map.labels.astype(np.int64)
    return float(Confusion.of(known.truth, labels, 1).iou[0])


def small(picture: Path) -> bool:
    from PIL import Image as Pillow  # noqa: PLC0415

    with Pillow.open(picture) as opened:
        return max(opened.size) <= 400


def read_labels(path: Path) -> NDArray[np.int64]:
    from PIL import Image as Pillow  # noqa: PLC0415

    with Pillow.open(path) as opened:
        return np.asarray(opened).astype(np.int64)


def effort_to(goal: float, points: Sequence[Point]) -> float:
    """With straight lines between points; every curve ends where all pictures are mended."""
    for before, after in pairwise(points):
        if after.score >= goal:
            share = (goal - before.score) / max(after.score - before.score, 1e-9)
            return before.effort + max(share, 0.0) * (after.effort - before.effort)
    return float(points[-1].effort)


def score_at(effort: float, points: Sequence[Point]) -> float:
    return float(
        np.interp(effort, [each.effort for each in points], [each.score for each in points])
    )


def ratio(some: Sequence[float], others: Sequence[float]) -> float:
    return mean([one / other for one, other in zip(some, others, strict=True)])


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def plotted(curves: dict[How, list[list[Point]]]) -> str:
    """Thin lines for seeds; the more effort, the farther right."""
    width, height, edge = 640, 400, 56
    most = max(points[-1].effort for found in curves.values() for points in found)
    lowest = min(each.score for found in curves.values() for points in found for each in points)
    low = np.floor(lowest * 10) / 10

    def place(point: Point) -> str:
        x = edge + (width - 2 * edge) * point.effort / most
        y = height - edge - (height - 2 * edge) * (point.score - low) / (1 - low)
        return f"{x:.1f},{y:.1f}"

    lines = []
    for how, found in curves.items():
        lines += [
            f'<polyline points="{" ".join(map(place, points))}" fill="none" '
            f'stroke="{COLOURS[how]}" stroke-width="2" opacity="0.75"/>'
            for points in found
        ]
    names = {"active": "learning, most useful first", "random": "learning, random order"}
    legend = [
        f'<text x="{width - edge - 190}" y="{height - edge - 60 + 18 * number}" '
        f'fill="{COLOURS[how]}">{names.get(how, "no learning")}</text>'
        for number, how in enumerate(curves)
    ]
    grid = []
    for tick in np.arange(low, 1.001, 0.1):
        _, y = place(Point(0, 0, float(tick))).split(",")
        grid.append(
            f'<line x1="{edge}" x2="{width - edge}" y1="{y}" y2="{y}" stroke="#ddd"/>'
            f'<text x="{edge - 34}" y="{float(y) + 4:.1f}">{tick:.1f}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>'
        + "".join((*grid, *lines, *legend))
        + f'<text x="{width / 2 - 90}" y="{height - 18}">pixels relabelled (0 to {most})</text>'
        '<text x="12" y="26">mIoU over the pool</text></svg>\n'
    )


def tell(
    name: str,
    value: float,
    unit: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> None:
    target = at_least if at_most is None else at_most
    reached = None
    if target is not None:
        reached = value >= target if at_most is None else value <= target
    line = {"name": name, "value": value, "target": target, "unit": unit, "reached": reached}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
