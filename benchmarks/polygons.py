"""Label map to polygons: how fast, and how true.

Input: a label map of 2048 x 2048 px with 6 concepts, the strongest of 6 layers of Gaussian noise
(seed 0) blurred with sigma 47 px: about 300 regions of 16 px and more. Times are the median of 5
runs of the whole way from label map to regions: components, minimum area, packed masks, confidence
and margin, tracing, simplification, and the IoU of every polygon with its pixels; validity is asked
of shapely within the time. All of it is one thread, so processor time is counted: it is the wall
time on a free core, whatever else runs. The plain loop is what one writes first: label each
concept, find_contours on the padded box of each component, a shapely polygon, simplify, is_valid.

Agreement: polygons at a tolerance of 0.5 px, filled by the rule of pixel centres, against the mask
they were made of: disks, rings, holes, lines and blocks of few pixels, contact with the border, and
every component of a label map of 512 x 512 px (seed 1, blur 12 px).
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import find_contours, label

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from drawn_masks import SHAPES, smooth_field

from ovseg_annotate.geometry import Window
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.polygons import fill, simplified, to_shapely, trace
from ovseg_annotate.regions import RegionOptions, Regions, regions_with_report
from ovseg_annotate.vocabulary import Vocabulary

Result = TypeVar("Result")

SIDE = 2048
RUNS = 5
BY_REGION = RegionOptions()
GAP_FREE = RegionOptions(polygons="gap-free", small="merge")


def main() -> None:
    labels = (smooth_field(0, (SIDE, SIDE), concepts=5, sigma=47) + 1).astype(np.uint8)
    sure = np.full(labels.shape, 0.5, np.float16)
    words = Vocabulary.parse("; ".join(f"concept {number}" for number in range(6)))
    label_map = LabelMap(labels, sure, sure, words)

    seconds, found = timed(lambda: valid(regions_with_report(label_map, BY_REGION)))
    count = len(found.regions)
    report(f"polygons by region, {SIDE}x{SIDE}, {count} regions", seconds, 1.0, "s")
    plain, _ = timed(lambda: plain_loop(labels))
    report("polygons by region over the plain skimage and shapely loop", seconds / plain, None, "x")

    seconds, found = timed(lambda: valid(regions_with_report(label_map, GAP_FREE)))
    count = len(found.regions)
    report(f"gap-free polygons, {SIDE}x{SIDE}, {count} regions", seconds, 2.0, "s")
    times = times_covered(found)
    report("gap-free polygons: pixels in a gap", int((times == 0).sum()), 0, "px")
    report("gap-free polygons: pixels in an overlap", int((times > 1).sum()), 0, "px")
    report("gap-free polygons: invalid", int(np.sum(~validity(found))), 0, "polygons")

    iou = agreements()
    name = f"polygon to mask IoU at 0.5 px, {len(iou)} shapes"
    report(f"{name}, mean", float(np.mean(iou)), 0.996, "", at_least=True)
    report(f"{name}, worst", float(np.min(iou)), 0.99, "", at_least=True)


def plain_loop(labels: NDArray[np.uint8]) -> list[shapely.Polygon]:
    """The first thing one writes, as a yardstick."""
    polygons = []
    for concept in np.unique(labels):
        numbers = label(labels == concept, connectivity=1)
        for number, box in enumerate(ndimage.find_objects(numbers), start=1):
            mask = numbers[box] == number
            if mask.sum() < BY_REGION.minimum_area:
                continue
            corner = np.array([box[1].start, box[0].start])
            contours = find_contours(np.pad(mask, 1).astype(float), 0.5)
            rings = [contour[:, ::-1] - 0.5 + corner for contour in contours]
            areas = [shapely.Polygon(ring).area for ring in rings]
            outer = rings.pop(int(np.argmax(areas)))
            polygon = shapely.simplify(shapely.Polygon(outer, rings), BY_REGION.tolerance)
            assert polygon.is_valid
            polygons.append(polygon)
    return polygons


def agreements() -> list[float]:
    field = smooth_field(1, (512, 512), concepts=5, sigma=12)
    masks = [draw() for draw in SHAPES.values()]
    for concept in np.unique(field):
        numbers = label(field == concept, connectivity=1)
        masks += [numbers == number for number in range(1, numbers.max() + 1)]
    return [agreement(mask) for mask in masks]


def agreement(mask: NDArray[np.bool_]) -> float:
    options = BY_REGION
    parts = [simplified(part, options.tolerance, options.minimum_iou) for part in trace(mask)]
    filled = fill([part.polygon for part in parts], Window(0, 0, *mask.shape))
    return float((filled & mask).sum() / (filled | mask).sum())


def valid(found: Regions) -> Regions:
    assert validity(found).all()
    return found


def validity(found: Regions) -> NDArray[np.bool_]:
    polygons = [polygon for region in found.regions for polygon in region.polygons]
    return np.asarray(shapely.is_valid(to_shapely(polygons)))


def times_covered(found: Regions) -> NDArray[np.uint8]:
    times = np.zeros((SIDE, SIDE), np.uint8)
    for region in found.regions:
        times += fill(region.polygons, Window(0, 0, SIDE, SIDE))
    return times


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """The median time of some runs, and what the last one gave."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return statistics.median(times), result


def report(
    name: str, value: float, target: float | None, unit: str, *, at_least: bool = False
) -> None:
    reached = None
    if target is not None:
        reached = value >= target if at_least else value <= target
    line = {"name": name, "value": value, "target": target, "unit": unit, "reached": reached}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
