"""Command-line flags from options dataclasses: one flag a field, the field's comment its help.

A verb that takes a parameter annotated with a frozen options dataclass gets one flag for each of
its fields, `window_overlap` becoming `--window-overlap`; the fields of an options dataclass inside
another carry its name in front, `--refine-method`. The verb receives the options, read and checked
by `read_options` as those of every other front end.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import inspect
import io
import tokenize
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ovseg_annotate.options import option_types, read_options

Verb = Callable[..., None]

_METAVARS = {int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}


@dataclasses.dataclass(frozen=True, slots=True)
class Flag:
    """One field of an options dataclass as the command line shows it."""

    parameter: str  # refine_method
    keys: tuple[str, ...]  # where the value belongs: ("refine", "method")
    wanted: Any  # the annotated type of the field
    default: str | None  # as shown; None: the flag must be given
    sentence: str  # what it does

    @property
    def declared(self) -> str:
        """As typer wants it: --refine-method, or --fast/--no-fast for what is on by default."""
        name = self.parameter.replace("_", "-")
        is_on = self.wanted is bool and self.default == "yes"
        return f"--{name}/--no-{name}" if is_on else f"--{name}"


def with_option_flags(verb: Verb) -> Verb:
    """Replace the parameters of `verb` that are options dataclasses by their flags."""
    hints = typing.get_type_hints(verb, include_extras=True)
    kinds: dict[str, type[Any]] = {
        name: kind
        for name, kind in hints.items()
        if isinstance(kind, type) and dataclasses.is_dataclass(kind)
    }
    flags = {name: flags_of(kind) for name, kind in kinds.items()}
    parameters = [
        shown
        for name, parameter in inspect.signature(verb).parameters.items()
        for shown in (
            [_parameter(flag, _panel(kinds[name])) for flag in flags[name]]
            if name in kinds
            else [parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)]
        )
    ]
    _refuse_doubles([parameter.name for parameter in parameters], verb)

    # typer calls a verb with one keyword for each flag: this is where they become options.
    @functools.wraps(verb)
    def called(**given: object) -> None:
        values = {name: given[name] for name in hints if name in given}
        for name, kind in kinds.items():
            values[name] = read_options(kind, _tree(flags[name], given))
        verb(**values)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def flags_of(kind: type[Any]) -> tuple[Flag, ...]:
    """The flags of an options dataclass, those of the options inside it included."""
    return tuple(_flags(kind, ()))


def comments_of(kind: type[Any]) -> dict[str, str]:
    """The comment behind each field of a dataclass: the house writes what it means there."""
    try:
        lines, _ = inspect.getsourcelines(kind)
    except OSError:  # shipped without its source: flags go without help then
        return {}
    names = {field.name for field in dataclasses.fields(kind)}
    comments: dict[str, str] = {}
    first_name = ""
    for token in tokenize.generate_tokens(io.StringIO("".join(lines)).readline):
        if token.type == tokenize.NAME and not first_name:
            first_name = token.string
        elif token.type == tokenize.COMMENT and first_name in names:
            comments.setdefault(first_name, token.string.lstrip("# "))
        elif token.type in (tokenize.NEWLINE, tokenize.NL):
            first_name = first_name if token.type == tokenize.NL else ""
    return comments


def _flags(kind: type[Any], above: tuple[str, ...]) -> Iterator[Flag]:
    hints = option_types(kind)
    comments = comments_of(kind)
    for field in dataclasses.fields(kind):
        if field.name not in hints:
            continue
        keys, wanted = (*above, field.name), hints[field.name]
        if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
            yield from _flags(wanted, keys)
        else:
            yield Flag(
                "_".join(keys), keys, wanted, _shown_default(field), comments.get(field.name, "")
            )


def _parameter(flag: Flag, panel: str) -> inspect.Parameter:
    wanted: Any = bool if flag.wanted is bool else str
    shown = f" ({flag.default})" if flag.default else ""
    option = typer.Option(
        flag.declared,
        help=flag.sentence + shown,
        metavar=None if wanted is bool else _metavar(flag.wanted),
        show_default=False,
        rich_help_panel=panel,
    )
    required = flag.default is None
    return inspect.Parameter(
        flag.parameter,
        inspect.Parameter.KEYWORD_ONLY,
        # The dataclass keeps the defaults: a flag that is not given is not passed on.
        default=inspect.Parameter.empty if required else None,
        annotation=Annotated[wanted if required else wanted | None, option],
    )


def _tree(flags: tuple[Flag, ...], given: Mapping[str, object]) -> dict[str, object]:
    """The flags that were given, nested as the options are."""
    tree: dict[str, object] = {}
    for flag in flags:
        value = given[flag.parameter]
        if value is None:
            continue
        branch = tree
        for key in flag.keys[:-1]:
            branch = branch.setdefault(key, {})  # type: ignore[assignment]
        is_path = Path in (flag.wanted, *typing.get_args(flag.wanted))
        branch[flag.keys[-1]] = Path(str(value)) if is_path else value
    return tree


def _shown_default(field: dataclasses.Field[Any]) -> str | None:
    if field.default_factory is not dataclasses.MISSING:
        return _text(field.default_factory())
    if field.default is dataclasses.MISSING:
        return None
    return _text(field.default)


def _text(value: object) -> str:
    if value is None or value is False or value == ():
        return ""  # its sentence says what happens when it is not given
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:g}"
    return "yes" if value is True else str(value)


def _metavar(wanted: Any) -> str:
    origin = typing.get_origin(wanted)
    if origin in (types.UnionType, typing.Union):
        parts = [part for part in typing.get_args(wanted) if part is not type(None)]
        return " or ".join(dict.fromkeys(map(_metavar, parts)))
    if origin is typing.Literal:
        return "|".join(map(str, typing.get_args(wanted)))
    if origin is tuple:
        items = [item for item in typing.get_args(wanted) if item is not Ellipsis]
        return ",".join(map(_metavar, items)) + (",..." if len(items) == 1 else "")
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return "|".join(str(member.value) for member in wanted)
    return _METAVARS.get(wanted, "VALUE")


def _panel(kind: type[Any]) -> str:
    """AnnotateOptions -> Annotate options."""
    return f"{kind.__name__.removesuffix('Options')} options"


def _refuse_doubles(names: list[str], verb: Verb) -> None:
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise TypeError(f"{verb.__name__}: two options share the flag {', '.join(doubles)}")
