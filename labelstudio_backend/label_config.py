"""What a project's labeling config means for suggestions.

Control tags that are answered: PolygonLabels, BrushLabels, BitmaskLabels, RectangleLabels, and
Choices about the whole picture. Marks of KeyPointLabels and the others are read as context; a
TextArea is where words are typed.

    <Label value="car"                     what people see, and without words also the phrase
           predicted_values="sedan, van"   phrases, between commas or semicolons
           prompt="pickup truck"           likewise; both count
           threshold="0.4"                 its own minimum confidence
           negative="true"                 competes for pixels and is never labelled
           alias="c1"/>                    stands in results in place of the value

`model_score_threshold` on a control tag is the threshold of its labels that have none.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from labelstudio_backend.errors import LabelConfigError
from labelstudio_backend.markup import Tag, read_markup
from ovseg_annotate.errors import listed_by_nearness

_MAXIMUM_LABELS = 5000  # of one control
_PHRASES = re.compile(r'"([^"]*)"|([^,;\n"]+)')


class Kind(StrEnum):
    """A control tag; the value is the type of its result items."""

    POLYGON = "polygonlabels"
    BRUSH = "brushlabels"
    BITMASK = "bitmasklabels"
    RECTANGLE = "rectanglelabels"
    KEYPOINT = "keypointlabels"
    ELLIPSE = "ellipselabels"
    CHOICES = "choices"

    @property
    def is_shape(self) -> bool:
        """Whether it can show a region."""
        return self in _SHAPES


_SHAPES = (Kind.POLYGON, Kind.BRUSH, Kind.BITMASK, Kind.RECTANGLE)
_KINDS = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Label:
    """One label or choice of a control."""

    value: str  # exactly as results carry it
    name: str  # what people read
    phrases: tuple[str, ...] = ()  # words of its own; (): the name is its own phrase
    negative: bool = False
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """A control tag that belongs to a picture."""

    name: str
    kind: Kind
    image: str  # name of its Image tag
    labels: tuple[Label, ...]
    dynamic: str | None = None  # field of the task that holds more labels
    multiple: bool = False  # Choices: more than one may hold
    threshold: float | None = None  # of labels that have none
    is_tool: bool = False  # smartOnly: people point at objects with it, nothing is drawn with it

    @property
    def takes_regions(self) -> bool:
        """Whether regions are answered into it."""
        return self.kind.is_shape and not self.is_tool


@dataclass(frozen=True, slots=True)
class ImageTag:
    """Where the picture of some controls comes from."""

    name: str
    field: str  # of the task's data
    is_list: bool = False  # valueList: several pictures, told apart by item_index


@dataclass(frozen=True, slots=True)
class Prompt:
    """A TextArea about a whole picture."""

    name: str
    image: str  # name of its Image tag


@dataclass(frozen=True, slots=True)
class LabelingConfig:
    """A labeling config, reduced to what suggestions need."""

    images: tuple[ImageTag, ...]  # those that have a control
    controls: tuple[Control, ...]
    prompts: tuple[Prompt, ...]
    warnings: tuple[str, ...]  # for the person who wrote the config

    def for_task(self, data: Mapping[str, object]) -> LabelingConfig:
        """The same with the labels that the task brings."""
        return replace(self, controls=tuple(_completed(each, data) for each in self.controls))

    def controls_of(self, image: str) -> tuple[Control, ...]:
        """The controls of the Image tag of this name."""
        return tuple(control for control in self.controls if control.image == image)


@functools.lru_cache(maxsize=64)
def read_label_config(text: str) -> LabelingConfig:
    """Read a labeling config; raises `LabelConfigError`."""
    root = read_markup(text)
    images = {image.name: image for image in _images(root)}
    warnings: list[str] = []
    controls = tuple(_controls(root, images, warnings))
    if not any(control.takes_regions or control.kind is Kind.CHOICES for control in controls):
        raise LabelConfigError(
            "the labeling config has no place for suggestions; add PolygonLabels, BrushLabels, "
            "BitmaskLabels or RectangleLabels whose toName is an Image tag, such as <PolygonLabels "
            'name="label" toName="image"><Label value="car"/></PolygonLabels>'
        )
    used = {control.image for control in controls}
    _check_names(controls)
    return LabelingConfig(
        tuple(image for image in images.values() if image.name in used),
        controls,
        tuple(_prompts(root, used)),
        tuple(warnings),
    )


def _images(root: Tag) -> Iterator[ImageTag]:
    for tag in root.walk():
        if tag.name != "image":
            continue
        name, value, values = tag.get("name"), tag.get("value"), tag.get("valuelist")
        source = value or values
        if name is None or source is None:
            raise LabelConfigError(
                f"the Image tag at line {tag.line} needs a name and a value, such as "
                '<Image name="image" value="$image"/>'
            )
        if source.startswith("$") and len(source) > 1:
            yield ImageTag(name, source[1:], is_list=value is None)
        else:
            raise LabelConfigError(
                f"Image {name!r}: value {source!r} names no field of the task; write a dollar sign "
                'before its name, such as value="$image"'
            )


def _prompts(root: Tag, images: Collection[str]) -> Iterator[Prompt]:
    for tag in root.walk():
        name, image = tag.get("name"), tag.get("toname") or ""
        if tag.name == "textarea" and name and image in images and not tag.is_set("perregion"):
            yield Prompt(name, image)


def _controls(root: Tag, images: Mapping[str, ImageTag], warnings: list[str]) -> Iterator[Control]:
    names = {tag.get("name") for tag in root.walk()}
    for tag in root.walk():
        if tag.name == "labels" and tag.get("toname") in images:
            warnings.append(
                f"Labels {tag.get('name')!r} gets no suggestions: use PolygonLabels, BrushLabels, "
                "BitmaskLabels or RectangleLabels"
            )
        if tag.name not in _KINDS or tag.is_set("perregion"):
            continue
        name, target = tag.get("name"), tag.get("toname")
        if name is None or target is None:
            raise LabelConfigError(f"{tag.name} at line {tag.line} needs a name and a toName")
        image = next((each for each in target.split(",") if each.strip() in images), "").strip()
        if image:
            yield _control(tag, name, image)
        elif target not in names:
            raise LabelConfigError(
                f"{tag.name} {name!r}: toName is {target!r}, and there is no such tag; there is: "
                f"{listed_by_nearness(target, images)}"
            )


def _control(tag: Tag, name: str, image: str) -> Control:
    kind = Kind(tag.name)
    where = f"{tag.name} {name!r}"
    wanted = "choice" if kind is Kind.CHOICES else "label"
    labels = [_label(each, where) for each in tag.walk() if each.name == wanted]
    if len(labels) > _MAXIMUM_LABELS:
        raise LabelConfigError(f"{where} has {len(labels)} labels; allowed: {_MAXIMUM_LABELS}")
    source = tag.get("value") or ""
    return Control(
        name=name,
        kind=kind,
        image=image,
        labels=_distinct(labels),
        dynamic=source[1:] if source.startswith("$") and len(source) > 1 else None,
        multiple=(tag.get("choice") or "").casefold() == "multiple",
        threshold=_threshold(tag.get("model_score_threshold"), where),
        is_tool=tag.is_set("smartonly"),
    )


def _label(tag: Tag, where: str) -> Label:
    return _label_of(tag.attributes, f"{where}, line {tag.line}")


def _label_of(attributes: Mapping[str, object], where: str) -> Label:
    texts = {
        key: str(value)
        for key, value in attributes.items()
        if isinstance(value, (str, int, float)) and not isinstance(value, bool)
    }
    name = " ".join(texts.get("value", "").split())
    if not name:
        raise LabelConfigError(f'{where}: a label has no value; write <Label value="car"/>')
    words = (*_phrases(texts.get("predicted_values", "")), *_phrases(texts.get("prompt", "")))
    negative = attributes.get("negative", "")
    return Label(
        value=texts.get("alias", "").strip() or texts["value"],
        name=name,
        phrases=tuple(dict.fromkeys(words)),
        negative=str(negative).strip().casefold() in ("true", "1", "yes"),
        threshold=_threshold(texts.get("threshold"), f"{where}: label {name!r}"),
    )


def _completed(control: Control, data: Mapping[str, object]) -> Control:
    """The control with the labels that stand in the task."""
    if control.dynamic is None:
        return control
    where = f"the task's field {control.dynamic!r} for {control.kind} {control.name!r}"
    listed = data.get(control.dynamic)
    if not isinstance(listed, list) or len(listed) > _MAXIMUM_LABELS:
        got = "nothing" if listed is None else type(listed).__name__
        raise LabelConfigError(
            f"{where}: expected a list of up to {_MAXIMUM_LABELS} labels, such as "
            f'["car", {{"value": "road"}}], got {got}'
        )
    labels = []
    for entry in listed:
        if not isinstance(entry, (str, dict)):
            raise LabelConfigError(
                f"{where}: a label is a text or an object with a value, got {type(entry).__name__}"
            )
        labels.append(_label_of({"value": entry} if isinstance(entry, str) else entry, where))
    return replace(control, labels=_distinct([*control.labels, *labels]))


def _distinct(labels: list[Label]) -> tuple[Label, ...]:
    """Label Studio, too, takes the first of two labels with the same value."""
    first: dict[str, Label] = {}
    for label in labels:
        first.setdefault(label.value, label)
    return tuple(first.values())


def _phrases(text: str) -> list[str]:
    """Phrases between commas or semicolons; double quotes keep both together."""
    found = (" ".join((quoted or plain).split()) for quoted, plain in _PHRASES.findall(text))
    return [phrase for phrase in found if phrase]


def _threshold(text: str | None, where: str) -> float | None:
    if text is None or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise LabelConfigError(
            f"{where}: threshold {text!r} is out of range; write a number from 0 to 1"
        )
    return value


def _check_names(controls: tuple[Control, ...]) -> None:
    names = [control.name for control in controls]
    for name in names:
        if names.count(name) > 1:
            raise LabelConfigError(
                f"two control tags are named {name!r}; give each a name of its own"
            )
