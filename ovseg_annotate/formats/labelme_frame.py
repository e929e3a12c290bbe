"""Between pixel edges and labelme's frame.

labelme fills a polygon and draws its outline (Pillow, outline=1, fill=1): the pixels on the
border are painted, so points are centres of border pixels and the centre of the first pixel is
(0, 0). Pillow cuts coordinates to whole numbers, so nothing between pixels has an effect.

To go there, the exact outline of the pixels moves inwards by half a pixel and then all numbers
fall by 0.5; to come back the other way round. A part of a region that is one pixel wide becomes a
line that the ring walks there and back, which labelme draws as it should.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ovseg_annotate.formats.pixel_maps import cropped
from ovseg_annotate.geometry import Polygon, Ring, Size, Window
from ovseg_annotate.polygons import from_shapely
from ovseg_annotate.regions import Mask
from ovseg_annotate.runs import components_of, runs_of
from ovseg_annotate.tracing import traced

_HALF = 0.5  # px
_THREAD = 2.0**-10  # px that a part one pixel wide keeps of its width until it becomes a line


def rings_of_mask(mask: Mask, tolerance: float = 0.0) -> tuple[Ring, ...]:
    """One ring of whole numbers a connected part; () when labelme would draw other pixels.

    That is so for holes and for parts of one or two pixels. A tolerance (px) thins the points
    out afterwards.
    """
    pixels = mask.array()
    components = components_of(runs_of(pixels))
    drawn = np.zeros(pixels.shape, np.bool_)
    rings = []
    for shape in traced(components, np.flatnonzero(components.labels), "corners"):
        ring = _inset(shape)
        if ring is None:
            return ()
        drawn |= drawn_pixels(ring, Window(0, 0, *pixels.shape))
        rings.append(_thinned(ring, tolerance))
    if not np.array_equal(drawn, pixels):
        return ()
    corner = np.array([mask.box.left, mask.box.top])
    return tuple(ring + corner for ring in rings)


def drawn_mask(ring: Ring, size: Size) -> Mask | None:
    """The pixels that labelme paints for a ring on a picture."""
    limit = (size.width, size.height)
    left, top = np.clip(np.floor(ring.min(axis=0)), 0, limit).astype(int).tolist()
    right, bottom = np.clip(np.floor(ring.max(axis=0)) + 1, 0, limit).astype(int).tolist()
    if right <= left or bottom <= top:
        return None
    return cropped(drawn_pixels(ring, Window(top, left, bottom - top, right - left)), top, left)


def drawn_pixels(ring: Ring, box: Window) -> NDArray[np.bool_]:
    """What Pillow paints of a ring in a box, as labelme has it."""
    image = Image.new("L", (box.width, box.height))
    points = (np.trunc(ring) - (box.left, box.top)).ravel().tolist()
    ImageDraw.Draw(image).polygon(points, outline=1, fill=1)
    return np.asarray(image) > 0


def polygons_of_ring(ring: Ring) -> tuple[Polygon, ...]:
    """Pixel-edge outlines of a ring in labelme's frame; () where it walks a line there and back."""
    shape = shapely.Polygon(np.trunc(ring))
    if not shapely.is_valid(shape):
        return ()
    grown = shapely.get_parts(shapely.buffer(shape, _HALF, join_style="mitre"))
    return tuple(polygon.moved(_HALF, _HALF) for polygon in from_shapely(grown))


def _inset(shape: object) -> Ring | None:
    """The centres of the border pixels, in order; None when there are too few or holes."""
    inner = shapely.buffer(shape, _THREAD - _HALF, join_style="mitre")
    if shapely.get_type_id(inner) != shapely.GeometryType.POLYGON or shapely.is_empty(inner):
        return None
    (polygon,) = from_shapely(np.array([inner], object))
    ring = np.round(polygon.outline - _HALF)
    ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)]
    return None if polygon.holes or len(ring) < 3 else ring


def _thinned(ring: Ring, tolerance: float) -> Ring:
    if tolerance <= 0:
        return ring
    line = shapely.simplify(shapely.LinearRing(ring), tolerance, preserve_topology=False)
    kept: Ring = shapely.get_coordinates(line)[:-1]
    return kept if len(kept) >= 3 else ring
