"""What a person did in the editor with Auto-Annotation on: typed, clicked, dragged or painted.

Frame of all numbers: percent of the upright picture, as Label Studio sends them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ovseg_annotate.formats.fields import Field

_POINTS = ("keypointlabels", "keypoint")
_BOXES = ("rectanglelabels", "rectangle")
_AREAS = ("brushlabels", "bitmasklabels", "polygonlabels", "ellipselabels")


@dataclass(frozen=True, slots=True)
class Typed:
    """Text that was typed into a TextArea."""

    image: str  # name of the Image tag
    text: str


@dataclass(frozen=True, slots=True)
class Clicked:
    """A point of a smart KeyPointLabels."""

    image: str  # name of the Image tag
    label: str | None  # None: no label was chosen
    x: float
    y: float
    positive: bool = True
    index: int = 0  # of the picture, where one tag shows several


@dataclass(frozen=True, slots=True)
class Dragged:
    """A box of a smart RectangleLabels."""

    image: str
    label: str | None
    corner: tuple[float, float]
    sides: tuple[float, float]
    degrees: float = 0.0  # clockwise about the corner
    positive: bool = True
    index: int = 0


@dataclass(frozen=True, slots=True)
class Painted:
    """A stroke or an outline, as the whole result item: it is decoded beside its picture."""

    image: str
    label: str
    item: Field
    positive: bool = True
    index: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that was done on one task since its last answer."""

    typed: tuple[Typed, ...] = ()
    clicked: tuple[Clicked, ...] = ()
    dragged: tuple[Dragged, ...] = ()
    painted: tuple[Painted, ...] = ()

    @classmethod
    def parse(cls, source: Field) -> Context:
        """Read `params.context`; kinds of items that mean nothing here are passed over."""
        found = source.find("result")
        items = [] if found is None else [each for item in found.items() for each in _marks(item)]
        return cls(
            tuple(each for each in items if isinstance(each, Typed)),
            tuple(each for each in items if isinstance(each, Clicked)),
            tuple(each for each in items if isinstance(each, Dragged)),
            tuple(each for each in items if isinstance(each, Painted)),
        )

    @property
    def is_empty(self) -> bool:
        """As the browser sends after every submit."""
        return not (self.typed or self.clicked or self.dragged or self.painted)


def _marks(item: Field) -> Iterator[Typed | Clicked | Dragged | Painted]:
    kind = item.get("type").text().casefold()
    value = item.get("value")
    if kind == "textarea":
        yield from _typed(item, value)
    elif kind in _POINTS:
        yield Clicked(
            image=item.get("to_name").text(),
            label=_label(value, kind),
            x=_percent(value.get("x")),
            y=_percent(value.get("y")),
            positive=_is_positive(item),
            index=_index(item),
        )
    elif kind in _BOXES:
        yield _dragged(item, value, _label(value, kind))
    elif kind in _AREAS:
        label = _label(value, kind)
        if label is not None:
            image = item.get("to_name").text()
            yield Painted(image, label, item, _is_positive(item), _index(item))


def _typed(item: Field, value: Field) -> Iterator[Typed]:
    image, text = item.get("to_name").text(), value.get("text")
    texts = [text] if isinstance(text.value, str) else list(text.items())
    for each in texts:
        if each.text().strip():
            yield Typed(image, each.text().strip())


def _dragged(item: Field, value: Field, label: str | None) -> Dragged:
    rotation = value.find("rotation")
    sides = (_percent(value.get("width")), _percent(value.get("height")))
    if min(sides) < 0:
        raise value.wrong("a width and a height of 0 or more")
    return Dragged(
        image=item.get("to_name").text(),
        label=label,
        corner=(_percent(value.get("x")), _percent(value.get("y"))),
        sides=sides,
        degrees=0.0 if rotation is None else rotation.number(),
        positive=_is_positive(item),
        index=_index(item),
    )


def _index(item: Field) -> int:
    index = item.find("item_index")
    return 0 if index is None else index.whole()


def _label(value: Field, kind: str) -> str | None:
    labels = value.find(kind)
    if labels is None:
        return None
    chosen = [label.text() for label in labels.items()]
    return chosen[0] if chosen else None


def _is_positive(item: Field) -> bool:
    """Stands beside the value; older editors put it inside."""
    for place in (item, item.get("value")):
        found = place.find("is_positive")
        if found is not None:
            if not isinstance(found.value, bool):
                raise found.wrong("true or false")
            return found.value
    return True


def _percent(source: Field) -> float:
    """The editor sends numbers a little outside the picture when a drag ends beyond its border."""
    number = source.number()
    if abs(number) > 1e6:
        raise source.wrong("percent of a picture")
    return number
