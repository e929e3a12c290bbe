"""A labeling config that fits a vocabulary, so that nobody has to write XML.

What it says is read back by `label_config`: names, phrases, thresholds and what is negative. The
colours are for the editor alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args
from xml.etree import ElementTree as ET

from ovseg_annotate.errors import OptionError, VocabularyError
from ovseg_annotate.vocabulary import Colour, Concept, Vocabulary

Shape = Literal["polygon", "brush", "bitmask", "rectangle"]
Tool = Literal["click", "box"]

_SHAPE_TAGS: dict[Shape, str] = {
    "polygon": "PolygonLabels",
    "brush": "BrushLabels",
    "bitmask": "BitmaskLabels",
    "rectangle": "RectangleLabels",
}
_TOOL_TAGS: dict[Tool, str] = {"click": "KeyPointLabels", "box": "RectangleLabels"}
_TOOL_HEADERS: dict[Tool, str] = {
    "click": "Click on one object",
    "box": "Drag a box around one object",
}
_FIELD = re.compile(r"[^\W\d][\w.\-]*")
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """What an annotator finds in the editor."""

    shapes: tuple[Shape, ...] = ("polygon",)  # of suggestions, each with all labels
    tools: tuple[Tool, ...] = ("click", "box")  # to point at an object with Auto-Annotation on
    prompt: bool = True  # a field to type what to look for
    image: str = "image"  # the field of a task's data that names its picture

    def __post_init__(self) -> None:
        if not self.shapes:
            raise OptionError(
                f"shapes: got none; name at least one of {', '.join(get_args(Shape))}"
            )
        for name in ("shapes", "tools"):
            given = getattr(self, name)
            if len(set(given)) < len(given):
                raise OptionError(f"{name}: {','.join(given)} names one of them twice")
        if not _FIELD.fullmatch(self.image):
            raise OptionError(
                f"image: {self.image!r} is no name of a field; write it without a dollar sign, "
                "letters and digits only, such as image"
            )


def labeling_config(vocabulary: Vocabulary, layout: LayoutOptions) -> str:
    """Write the XML of a labeling config."""
    root = ET.Element("View")
    ET.SubElement(
        root, "Image", name="image", value=f"${layout.image}", zoom="true", zoomControl="true"
    )
    if layout.prompt:
        ET.SubElement(
            root,
            "TextArea",
            name="prompt",
            toName="image",
            placeholder="What to look for",
            editable="true",
            rows="1",
            maxSubmissions="1",
            showSubmitButton="true",
        )
    first = layout.shapes[0]
    for shape in layout.shapes:
        control = ET.SubElement(root, _SHAPE_TAGS[shape], name=shape, toName="image")
        # Said once: what is negative for one control is negative for all of them.
        _add_labels(control, vocabulary, words=True, negatives=shape == first)
    for tool in layout.tools:
        ET.SubElement(root, "Header", value=_TOOL_HEADERS[tool], size="6")
        control = ET.SubElement(
            root, _TOOL_TAGS[tool], name=tool, toName="image", smart="true", smartOnly="true"
        )
        _add_labels(control, vocabulary, words=False, negatives=False)
        for label in control:
            label.set("smart", "true")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _add_labels(
    control: ET.Element, vocabulary: Vocabulary, *, words: bool, negatives: bool
) -> None:
    for concept, colour in zip(vocabulary, vocabulary.colours, strict=True):
        if concept.negative and not negatives:
            continue
        attributes = {"value": _text(concept.name), "background": _hexadecimal(colour)}
        if words:
            attributes |= _words(concept)
        ET.SubElement(control, "Label", attributes)


def _words(concept: Concept) -> dict[str, str]:
    attributes = {}
    if concept.phrases != (concept.name,):
        attributes["predicted_values"] = ", ".join(map(_phrase, concept.phrases))
    if concept.threshold is not None:
        attributes["threshold"] = repr(concept.threshold)
    if concept.negative:
        attributes["negative"] = "true"
    return attributes


def _phrase(phrase: str) -> str:
    text = _text(phrase)
    if '"' in text:
        raise VocabularyError(
            f"the phrase {phrase!r} holds a double quote, which a labeling config has no place "
            "for; leave it out"
        )
    return f'"{text}"' if "," in text or ";" in text else text


def _text(text: str) -> str:
    bad = _NOT_XML.search(text)
    if bad is not None:
        raise VocabularyError(
            f"{text!r} holds the character {bad.group()!r}, which XML cannot carry; leave it out"
        )
    return text


def _hexadecimal(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
