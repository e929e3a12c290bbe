"""What pointing is worth and what it costs, with the bundled model on scenes it never saw.

Prints JSON lines {name, value, target, unit, reached}. The scenes of a held-out set are fixed:
always its first ones. Marks are made from the truth as a person would make them: a click is in
the middle of an object, a box is its bounding box, a correction is a click in the middle of the
largest error, a scribble is the longest straight stroke through the middle of the object that the
suggestion has most wrong. CPU, as many threads as torch takes.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from ovseg_annotate.datasets.scenes import (
    HeldOut,
    Scene,
    SceneRules,
    SceneStyle,
    draw_scene,
    held_out_scene,
    semantic_map,
)
from ovseg_annotate.datasets.scenes.words import GROUNDS, MICRO_GROUNDS, names_of
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import Image, from_array
from ovseg_annotate.pointing.examples import VisualExamples
from ovseg_annotate.pointing.marks import AreaMark, BoxMark, Mark, PointMark, window_of
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.vocabulary import Concept, Vocabulary

Mask = NDArray[np.bool_]

SCENES = 20  # of each set
OBJECTS = 2  # of each scene that are picked, the largest ones
SCRIBBLES = 3
SMALLEST = 30  # px of an object that is pointed at
UNKNOWN = "blobble"
_GROUND_NAMES = frozenset({"background", *GROUNDS, *names_of(MICRO_GROUNDS)})


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """One object of a scene."""

    name: str
    mask: Mask


def main() -> None:
    scenes = int(sys.argv[1]) if len(sys.argv) > 1 else SCENES
    session = open_session("naclip@mini", device="cpu")
    report_time(session)
    for which in (HeldOut.EASY, HeldOut.LARGE_TWICE, HeldOut.CROWDED, HeldOut.MICROSCOPY):
        report_picks(session, which, scenes)
    for which in (HeldOut.MICROSCOPY, HeldOut.CROWDED):
        report_examples(session, which, scenes, unknown=False)
    report_examples(session, HeldOut.MICROSCOPY, scenes, unknown=True)


def report_time(session: Session) -> None:
    """Clicks and boxes in a picture of 1024 px whose features are kept."""
    scene = draw_scene(SceneRules(SceneStyle.EASY, Size(1024, 1024), object_scale=4.0), 3)
    image, things = from_array(scene.pixels), list(things_of(scene))
    session.pick(image, [click_on(things[0].mask, "thing")])
    for name, marked in (("click", click_on), ("box", box_round)):
        costs = [cost_of(session, image, marked(each.mask, "thing")) for each in things[:12]]
        what = f"pick by {name} on kept features, 1024 x 1024"
        wall, processor = (statistics.median(kind) for kind in zip(*costs, strict=True))
        tell(what, 1000 * wall, "ms", at_most=300.0)
        tell(f"{what}: processor time", 1000 * processor, "ms")


def cost_of(session: Session, image: Image, mark: Mark) -> tuple[float, float]:
    """Seconds on the wall and of the processor; on a busy machine the second is the steadier."""
    start, processor = time.perf_counter(), time.process_time()
    session.pick(image, [mark])
    return time.perf_counter() - start, time.process_time() - processor


def report_picks(session: Session, which: HeldOut, scenes: int) -> None:
    """Mean IoU of picked objects."""
    clicks, corrected, boxes = [], [], []
    for index in range(scenes):
        scene = held_out_scene(which, "any", index)
        image = from_array(scene.pixels)
        things = sorted(things_of(scene), key=lambda each: -np.count_nonzero(each.mask))
        for truth in (thing.mask for thing in things[:OBJECTS]):
            marks: list[Mark] = [click_on(truth, "thing")]
            found = session.pick(image, marks).mask
            clicks.append(overlap(found, truth))
            if (found != truth).any():
                found = session.pick(image, [*marks, correction_of(found, truth)]).mask
            corrected.append(overlap(found, truth))
            boxes.append(overlap(session.pick(image, [box_round(truth, "thing")]).mask, truth))
    easy = which in (HeldOut.EASY, HeldOut.LARGE_TWICE)
    for how, overlaps, least in (("one click", clicks, 0.7), ("a box", boxes, 0.8)):
        name = f"picked by {how}, {which} scenes: mean IoU of {len(overlaps)} objects"
        tell(name, float(np.mean(overlaps)), "IoU", at_least=least if easy else None)
    name = f"picked by a click and one correction, {which} scenes: mean IoU"
    tell(name, float(np.mean(corrected)), "IoU")


def report_examples(session: Session, which: HeldOut, scenes: int, *, unknown: bool) -> None:
    """Mean IoU of the things of a scene: words alone, and with scribbles as examples."""
    columns: list[list[float]] = [[] for _ in range(SCRIBBLES + 1)]
    for index in range(scenes):
        scene = held_out_scene(which, "any", index)
        if not list(things_of(scene)):
            continue
        for column, value in zip(columns, taught(session, scene, unknown=unknown), strict=True):
            column.append(value)
    words = "a word it was never taught" if unknown else "words"
    alone, *more = (float(np.mean(column)) for column in columns)
    tell(f"{which} scenes, {words} alone: mean IoU of things", alone, "IoU")
    for count in (1, SCRIBBLES):
        name = f"{which} scenes, {words} and {count} scribbles: gain of IoU"
        tell(name, more[count - 1] - alone, "IoU", at_least=0.0)


def taught(session: Session, scene: Scene, *, unknown: bool) -> Iterator[float]:
    """The mean IoU before any scribble and after each one."""
    things = list(things_of(scene))
    names = sorted({thing.name for thing in things})
    concepts = [Concept(name, (f"{UNKNOWN} {name}",) if unknown else ()) for name in names]
    vocabulary = Vocabulary(tuple(concepts))
    truth = semantic_map(scene, names)
    image = from_array(scene.pixels)
    examples: VisualExamples | None = None
    for count in range(SCRIBBLES + 1):
        labels = session.annotate(image, vocabulary, examples=examples).label_map.labels
        yield float(np.mean([overlap(labels == k, truth == k) for k in vocabulary.labels]))
        missed = [
            (int((labels != names.index(each.name) + 1)[each.mask].sum()), each) for each in things
        ]
        worst, thing = max(missed, key=lambda pair: pair[0])
        if worst == 0 or count == SCRIBBLES:
            continue
        things = [each for each in things if each is not thing] or things
        made = session.examples(image, [AreaMark(thing.name, scribble_through(thing.mask))])
        examples = made if examples is None else examples + made


def things_of(scene: Scene) -> Iterator[Thing]:
    """The objects of a scene, its grounds left out."""
    for region in scene.regions:
        said = region.attributes
        is_ground = said.shape is None and (said.thing is None or said.thing in _GROUND_NAMES)
        mask = scene.instances == region.label
        if not is_ground and np.count_nonzero(mask) >= SMALLEST:
            yield Thing(region.name, mask)


def click_on(mask: Mask, concept: str, *, positive: bool = True) -> PointMark:
    row, column = middle_of(mask)
    return PointMark(concept, column + 0.5, row + 0.5, positive)


def box_round(mask: Mask, concept: str) -> BoxMark:
    seen = window_of(mask)
    return BoxMark(concept, seen.left, seen.top, seen.right, seen.bottom)


def correction_of(found: Mask, truth: Mask) -> PointMark:
    missing, wrong = truth & ~found, found & ~truth
    positive = bool(np.count_nonzero(missing) >= np.count_nonzero(wrong))
    return click_on(missing if positive else wrong, "thing", positive=positive)


def middle_of(mask: Mask) -> tuple[int, int]:
    """Row and column of the pixel that is farthest from everything else."""
    inner = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(inner.argmax()), inner.shape)
    return int(row), int(column)


def scribble_through(mask: Mask) -> Mask:
    """The longest straight stroke through the middle of a mask, in eight directions."""
    row, column = middle_of(mask)
    strokes = []
    for angle in np.linspace(0, np.pi, 8, endpoint=False):
        stroke = np.zeros_like(mask)
        for way in (1, -1):
            for step in range(max(mask.shape)):
                y = round(row + way * step * float(np.sin(angle)))
                x = round(column + way * step * float(np.cos(angle)))
                inside = 0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x]
                if not inside:
                    break
                stroke[y, x] = True
        strokes.append(stroke)
    return max(strokes, key=np.count_nonzero)


def overlap(one: Mask, other: Mask) -> float:
    either = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / either if either else 1.0


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
    if at_least is not None:
        reached = value >= at_least
    elif at_most is not None:
        reached = value <= at_most
    line = {"name": name, "value": value, "target": target, "unit": unit, "reached": reached}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
