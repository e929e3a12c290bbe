from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import pytest

from ovseg_annotate.errors import OptionError
from ovseg_annotate.options import digest_text, read_options


class Shape(StrEnum):
    ROUND = "round"
    SQUARE = "square"


@dataclass(frozen=True, slots=True)
class Inner:
    steps: int = 3


@dataclass(frozen=True, slots=True)
class Outer:
    share: float = 0.5
    count: int = 1
    name: str = ""
    limit: float | None = None
    shape: Shape = Shape.ROUND
    mode: Literal["fast", "exact"] = "fast"
    sizes: tuple[int, ...] = ()
    loud: bool = False
    inner: Inner = field(default_factory=Inner)


def test_texts_and_values_give_the_same_options() -> None:
    texts = {
        "share": "0.25",
        "count": "4",
        "limit": "none",
        "shape": "square",
        "mode": "exact",
        "sizes": "1, 2",
        "loud": "yes",
        "inner": {"steps": "7"},
    }
    values = {
        "share": 0.25,
        "count": 4,
        "limit": None,
        "shape": Shape.SQUARE,
        "mode": "exact",
        "sizes": [1, 2],
        "loud": True,
        "inner": Inner(7),
    }
    expected = Outer(0.25, 4, "", None, Shape.SQUARE, "exact", (1, 2), True, Inner(7))
    assert read_options(Outer, texts) == read_options(Outer, values) == expected


def test_dashes_are_underscores() -> None:
    @dataclass(frozen=True, slots=True)
    class Kind:
        minimum_area: int = 0

    # Local classes resolve their hints through builtins only, which is what this one uses.
    assert read_options(Kind, {"minimum-area": "5"}).minimum_area == 5


def test_an_unknown_key_lists_the_nearest_first() -> None:
    with pytest.raises(OptionError, match=r"unknown option 'shaer'.*there is: shape, share, "):
        read_options(Outer, {"shaer": 1})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("share", "much"),
        ("count", "1.5"),
        ("count", True),
        ("loud", "perhaps"),
        ("shape", "oval"),
        ("mode", "slow"),
        ("sizes", "1, b"),
        ("sizes", 3),
        ("inner", {"stpes": 1}),
        ("limit", "high"),
        ("count", float("inf")),
    ],
)
def test_a_bad_value_names_its_option(key: str, value: object) -> None:
    with pytest.raises(OptionError, match=key if key != "inner" else "stpes"):
        read_options(Outer, {key: value})


def test_the_digest_text_tells_any_two_options_apart() -> None:
    assert digest_text(Outer()) != digest_text(Outer(inner=Inner(4)))
    assert digest_text(Outer()) == digest_text(Outer())


def test_a_key_with_a_dot_is_a_part_of_a_table() -> None:
    assert read_options(Outer, {"inner.steps": "7"}) == Outer(inner=Inner(7))
    both = {"inner": {"steps": 3}, "inner.steps": 7}
    assert read_options(Outer, both) == Outer(inner=Inner(7))


def test_a_part_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(OptionError, match="unknown option 'stops' for Inner; there is: steps"):
        read_options(Outer, {"inner.stops": 1})


def test_a_part_of_something_that_is_no_table_is_refused() -> None:
    with pytest.raises(
        OptionError, match=r"'inner.steps' is a part of 'inner', which is 3 already"
    ):
        read_options(Outer, {"inner": 3, "inner.steps": 7})
