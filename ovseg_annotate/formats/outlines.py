"""Outlines on their way in and out: cleaned, cut at the picture's border, made of plain numbers.

Frame: pixel edges, as everywhere inside.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.geometry import Polygon, Ring, Size
from ovseg_annotate.polygons import from_shapely, repaired, to_shapely
from ovseg_annotate.regions import AnnotatedImage, Region, polygons_of

_LARGEST_COORDINATE = 1e9  # px; squares of more lose the pixel
_ELLIPSE_ERROR = 0.05  # px, between the curve and its polygon
_MOST_ELLIPSE_VERTICES = 720


def shown_polygons(region: Region, image: AnnotatedImage) -> tuple[Polygon, ...]:
    """The parts of a region within the picture."""
    return within(polygons_of(region), image.size)


def within(polygons: Sequence[Polygon], size: Size) -> tuple[Polygon, ...]:
    """Cut off what reaches over the border of the picture."""
    limit = np.array([size.width, size.height])
    if all(((p.outline >= 0) & (p.outline <= limit)).all() for p in polygons):
        return tuple(polygons)
    cut = shapely.intersection(to_shapely(polygons), shapely.box(0, 0, size.width, size.height))
    return from_shapely(_polygon_parts(cut))


def polygons_of_ring(ring: Ring, size: Size, where: str) -> tuple[Polygon, ...]:
    """Read one ring, which may be a keyhole, touch itself or reach over the border.

    Gives () for what encloses nothing.
    """
    return within(repaired_at(where, Polygon(ring)), size)


def repaired_at(where: str, polygon: Polygon) -> tuple[Polygon, ...]:
    """`repaired`; `where` begins the message of an outline that is beyond repair."""
    try:
        return repaired(polygon)
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from error


def ring_of_pairs(field: Field) -> Ring:
    """Read [[x, y], ...]."""
    quick = _numbers_at_once(field.value, dimensions=2)
    if quick is not None and quick.shape[1] == 2:
        return quick
    pairs = [[coordinate(number) for number in pair.items()] for pair in field.items()]
    if any(len(pair) != 2 for pair in pairs):
        raise field.wrong("a list of points [x, y]")
    return np.array(pairs, np.float64).reshape(-1, 2)


def ring_of_numbers(field: Field) -> Ring:
    """Read [x, y, x, y, ...]."""
    quick = _numbers_at_once(field.value, dimensions=1)
    if quick is not None and len(quick) % 2 == 0:
        return quick.reshape(-1, 2)
    numbers = [coordinate(number) for number in field.items()]
    if len(numbers) % 2:
        raise field.wrong("an even count of numbers x, y, x, y, ...")
    return np.array(numbers, np.float64).reshape(-1, 2)


def pairs_of(ring: Ring, decimals: int) -> list[list[float]]:
    """[[x, y], ...] with so many decimals; 3 rather than 3.0 where that is all there is."""
    return [[_short(x), _short(y)] for x, y in np.round(ring, decimals).tolist()]


def numbers_of(ring: Ring, decimals: int) -> list[float]:
    """[x, y, x, y, ...] with so many decimals."""
    return [_short(number) for number in np.round(ring, decimals).ravel().tolist()]


def rectangle_ring(corner: Sequence[float], size: Sequence[float], degrees: float = 0.0) -> Ring:
    """A box from its upper left corner (x, y) and (width, height), turned clockwise about it."""
    width, height = size
    box = np.array([(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)])
    return turned(box, degrees) + np.array(corner, np.float64)


def ellipse_ring(centre: Sequence[float], radii: Sequence[float], degrees: float = 0.0) -> Ring:
    """An ellipse, turned clockwise about its centre, as a polygon of the same area."""
    largest = max(*radii, _ELLIPSE_ERROR)
    # acos(1 - error / radius), written so that it is not 0 for very large radii.
    half_step = 2 * math.asin(math.sqrt(_ELLIPSE_ERROR / largest / 2))
    enough = math.ceil(math.pi / half_step)
    count = min(max(enough, 16), _MOST_ELLIPSE_VERTICES)
    angles = np.arange(count) * (2 * np.pi / count)
    # A polygon between points of the curve is smaller than the curve by this factor squared.
    grown = math.sqrt(2 * np.pi / count / math.sin(2 * np.pi / count))
    circle = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    curve = circle * np.array(radii, np.float64) * grown
    return turned(curve, degrees) + np.array(centre, np.float64)


def turned(ring: Ring, degrees: float) -> Ring:
    """Turn about (0, 0): clockwise on screen, because y points down."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    result: Ring = ring @ np.array([(cosine, sine), (-sine, cosine)])
    return result


def _numbers_at_once(value: object, dimensions: int) -> NDArray[np.float64] | None:
    """The coordinates if all is well; None leaves it to the slow way to say what is wrong."""
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        return None
    if array.dtype.kind not in "iuf" or array.ndim != dimensions or not array.size:
        return None
    numbers: NDArray[np.float64] = array.astype(np.float64)
    return numbers if (np.abs(numbers) <= _LARGEST_COORDINATE).all() else None


def coordinate(field: Field) -> float:
    """A number that can be a place or a length on a picture."""
    number = field.number()
    if abs(number) > _LARGEST_COORDINATE:
        raise field.wrong("a coordinate on a picture")
    return number


def _polygon_parts(shapes: Iterable[object]) -> NDArray[np.object_]:
    parts = shapely.get_parts(np.asarray(shapes, object))
    is_polygon = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    polygons: NDArray[np.object_] = parts[is_polygon & ~shapely.is_empty(parts)]
    return polygons


def _short(number: float) -> float:
    whole = int(number)
    return whole if whole == number else number
