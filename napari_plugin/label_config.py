"""What a labeling config of Label Studio lets people draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as ET

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.label_studio import LabelStudioOptions

# The first of these that a project has is what regions are sent as.
_CONTROLS: tuple[tuple[str, Literal["polygon", "brush", "bitmask"]], ...] = (
    ("PolygonLabels", "polygon"),
    ("BrushLabels", "brush"),
    ("BitmaskLabels", "bitmask"),
)


@dataclass(frozen=True, slots=True)
class Interface:
    """The tags that regions belong to."""

    options: LabelStudioOptions
    concepts: frozenset[str]  # that the project knows; empty: it takes any


def interface_of(config: str) -> Interface:
    """Read a labeling config."""
    root = _parsed(config)
    images = {image.get("name", ""): image for image in root.iter("Image")}
    for tag, shapes in _CONTROLS:
        for control in root.iter(tag):
            image = images.get(control.get("toName", ""))
            if image is not None:
                brush = next(root.iter("BrushLabels"), None)
                options = LabelStudioOptions(
                    shapes=shapes,
                    from_name=control.get("name", ""),
                    to_name=image.get("name", ""),
                    brush_name="" if brush is None else brush.get("name", ""),
                    image_key=image.get("value", "$image").lstrip("$"),
                )
                return Interface(options, frozenset(_labels(control)))
    raise FormatError(
        "the project's labeling config has no PolygonLabels, BrushLabels or BitmaskLabels on an "
        "Image; add one in Settings > Labeling Interface"
    )


def _labels(control: ET.Element) -> Iterator[str]:
    for label in control.iter("Label"):
        yield label.get("value", "")


def _parsed(config: str) -> ET.Element:
    if "<!DOCTYPE" in config or "<!ENTITY" in config:
        raise FormatError("the project's labeling config declares entities; remove them")
    try:
        return ET.fromstring(config)  # noqa: S314  without entities there is no bomb
    except ET.ParseError as error:
        raise FormatError(f"the project's labeling config is not valid XML: {error}") from error
