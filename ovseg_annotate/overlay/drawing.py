"""A picture and its regions in a form that a browser draws: JPEG beneath, SVG paths on top."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from ovseg_annotate.geometry import Polygon, Ring, Size
from ovseg_annotate.polygons import from_shapely, to_shapely
from ovseg_annotate.regions import AnnotatedImage, Region, polygons_of

_JPEG_QUALITY = 82
_TOLERANCE = 0.4  # of a pixel as shown: what the eye does not see is not sent
_SMALLEST = 1.5  # square pixels as shown


def shown_size(size: Size, longest_side: int) -> Size:
    """The size at which a picture is put into the page; small ones stay as they are."""
    factor = min(1.0, longest_side / max(size.height, size.width))
    return Size(max(1, round(size.height * factor)), max(1, round(size.width * factor)))


def jpeg_address(pixels: NDArray[np.uint8], shown: Size) -> str:
    """A data: address of the picture, (height, width, 3), brought to `shown`."""
    from PIL import Image as PillowImage  # noqa: PLC0415  importing this package stays cheap

    picture = PillowImage.fromarray(pixels)
    if picture.size != (shown.width, shown.height):
        picture = picture.resize((shown.width, shown.height), reducing_gap=2.0)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def region_paths(image: AnnotatedImage, shown: Size, classes: Mapping[str, str]) -> str:
    """SVG paths of all regions in the frame of the shown picture; `classes` has one a concept."""
    scale = np.array([shown.width / image.size.width, shown.height / image.size.height])
    paths = []
    for region in image.regions:
        outline = _outline(polygons_of(region), scale)
        if outline:
            group = classes.get(region.concept, "other")
            paths.append(
                f'<path class="{group}" d="{outline}"><title>{_title(region)}</title></path>'
            )
    return "".join(paths)


def _title(region: Region) -> str:
    sure = "" if region.confidence is None else f" {region.confidence:.2f}"
    return html.escape(region.concept + sure)


def _outline(polygons: Sequence[Polygon], scale: NDArray[np.float64]) -> str:
    if not polygons:
        return ""
    scaled = [
        Polygon(part.outline * scale, tuple(hole * scale for hole in part.holes))
        for part in polygons
    ]
    shapes = shapely.simplify(to_shapely(scaled), _TOLERANCE)
    shapes = shapes[shapely.area(shapes) >= _SMALLEST]
    return "".join(_ring(ring) for part in from_shapely(shapes) for ring in part.rings)


def _ring(ring: Ring) -> str:
    points = " ".join(f"{x:g},{y:g}" for x, y in np.round(ring, 1).tolist())
    return f"M{points}Z"
