"""Sentences that a phrase is put into before the text tower reads it; `{}` stands for the phrase.

The vector of a phrase is the mean over a set. Few templates cost a twentieth of the published 80
and rank concepts alike; 80 are there for comparison with papers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from ovseg_annotate.errors import OptionError, listed_by_nearness

PLACE = "{}"

TemplateSet: TypeAlias = Literal["plain", "short", "scene", "openai80"]

PLAIN = (PLACE,)

# What CAT-Seg and the systems built on it were trained with.
SCENE = ("A photo of a {} in the scene",)

# "itap" (I took a picture) and black-and-white leave the least doubt over 419 concepts (FLOSS,
# "Free Lunch in Open-vocabulary Semantic Segmentation", released rankings).
SHORT = (
    "a photo of a {}.",
    "itap of a {}.",
    "a black and white photo of a {}.",
    "a close-up photo of the {}.",
)


def templates_named(name: str, published: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """The templates of a set; `published` fetches the 80 where they are wanted."""
    if name == "plain":
        return PLAIN
    if name == "short":
        return SHORT
    if name == "scene":
        return SCENE
    if name == "openai80":
        return published()
    allowed = ("plain", "short", "scene", "openai80")
    raise OptionError(
        f"unknown template set {name!r}; there is: {listed_by_nearness(name, allowed)}"
    )


def filled(template: str, phrase: str) -> str:
    """Not `str.format`: a phrase may contain braces."""
    return template.replace(PLACE, phrase)
