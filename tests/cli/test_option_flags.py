"""Flags are the fields of options dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest
import typer
from typer.testing import CliRunner

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.cli import annotate as annotate_verb
from ovseg_annotate.cli.cache import CacheOptions
from ovseg_annotate.cli.compare import CompareOptions
from ovseg_annotate.cli.convert import ConvertOptions
from ovseg_annotate.cli.doctor import DoctorOptions
from ovseg_annotate.cli.models import ModelsOptions
from ovseg_annotate.cli.option_flags import comments_of, flags_of, with_option_flags
from ovseg_annotate.cli.scenes import ScenesOptions
from ovseg_annotate.cli.sessions import SessionOptions
from ovseg_annotate.cli.show import ShowOptions
from ovseg_annotate.errors import OptionError
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.regions import RegionOptions

KINDS = (
    AnnotateOptions,
    RegionOptions,
    ReadingOptions,
    SessionOptions,
    annotate_verb.RunOptions,
    CacheOptions,
    CompareOptions,
    ConvertOptions,
    DoctorOptions,
    ModelsOptions,
    ScenesOptions,
    ShowOptions,
)


class Taste(StrEnum):
    SWEET = "sweet"
    SOUR = "sour"


@dataclass(frozen=True, slots=True)
class Inner:
    depth: int = 3  # how deep
    kind: Literal["a", "b"] = "a"  # which kind


@dataclass(frozen=True, slots=True)
class Outer:
    """Options with everything that flags can be."""

    name: str  # must be given
    share: float = 0.5  # from 0 to 1
    limit: float | None = None  # none: no limit
    sides: tuple[int, ...] = ()  # any number of them
    pair: tuple[float, float] = (1.0, 2.5)  # two of them
    taste: Taste = Taste.SWEET  # how it tastes
    place: Path | None = None  # where
    loud: bool = False  # say more
    inner: Inner = field(default_factory=Inner)


def run(*arguments: str) -> Outer:
    seen: list[Outer] = []
    app = typer.Typer()

    @app.command()
    @with_option_flags
    def verb(target: Annotated[str, typer.Argument()], options: Outer) -> None:
        assert target == "target"
        seen.append(options)

    done = CliRunner().invoke(app, ["target", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return seen[0]


def test_flags_that_are_not_given_keep_the_defaults() -> None:
    assert run("--name", "n") == Outer("n")


def test_every_kind_of_field_is_read_from_its_flag() -> None:
    options = run(
        *("--name", "n", "--share", "0.25", "--limit", "4", "--sides", "1,2,3", "--pair", "3,4"),
        *("--taste", "sour", "--place", "some/where", "--loud", "--inner-depth", "7"),
        *("--inner-kind", "b"),
    )
    assert options == Outer(
        "n", 0.25, 4.0, (1, 2, 3), (3.0, 4.0), Taste.SOUR, Path("some/where"), True, Inner(7, "b")
    )


def test_a_value_of_the_wrong_type_is_an_option_error_that_names_the_flag() -> None:
    with pytest.raises(OptionError, match="'depth': expected int, got 'deep'"):
        run("--name", "n", "--inner-depth", "deep")


def test_a_choice_that_is_none_lists_what_there_is() -> None:
    with pytest.raises(OptionError, match="allowed: sour, sweet"):
        run("--name", "n", "--taste", "sourr")


def test_comments_become_help_and_defaults_are_shown() -> None:
    flags = {flag.parameter: flag for flag in flags_of(Outer)}
    assert flags["inner_depth"].sentence == "how deep"
    assert flags["pair"].default == "1,2.5"
    assert flags["name"].default is None


def test_two_kinds_with_one_flag_are_refused() -> None:
    def verb(one: Outer, two: Outer) -> None: ...

    with pytest.raises(TypeError, match="share the flag"):
        with_option_flags(verb)


@pytest.mark.parametrize("kind", KINDS)
def test_every_flag_says_what_it_does(kind: type) -> None:
    silent = [flag.parameter for flag in flags_of(kind) if not flag.sentence]
    assert not silent, f"{kind.__name__}: write a comment behind {silent}"


def test_comments_are_those_of_the_fields_only() -> None:
    assert set(comments_of(Outer)) == {
        *("name", "share", "limit", "sides", "pair", "taste", "place", "loud"),
    }
