"""Read a frozen options dataclass from plain text values: flags, TOML tables, form fields."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from ovseg_annotate.errors import OptionError, listed_by_nearness
from ovseg_annotate.plain_data import shown

Kind = TypeVar("Kind")

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


def read_options(kind: type[Kind], mapping: Mapping[str, object]) -> Kind:
    """Make a `kind` from `mapping`; an unknown key is an error that lists the keys there are.

    Texts are converted to the annotated type of the field, so `{"overlap": "0.5"}` from a
    command line and `{"overlap": 0.5}` from TOML give the same options; `{"refine.method": ...}`
    is short for `{"refine": {"method": ...}}`.
    """
    fields = option_types(kind)
    values: dict[str, Any] = {}
    for given, value in _nested(mapping).items():
        name = given.replace("-", "_")
        if name not in fields:
            raise OptionError(
                f"unknown option {shown(given)} for {kind.__name__}; "
                f"there is: {listed_by_nearness(name, fields)}"
            )
        values[name] = _converted(value, fields[name], given)
    return kind(**values)


def _nested(mapping: Mapping[str, object]) -> dict[str, object]:
    """Keys with a dot, as a command line has them, as tables."""
    nested = {key: value for key, value in mapping.items() if "." not in key}
    for given, value in mapping.items():
        table, dot, rest = given.partition(".")
        if not dot:
            continue
        inner = nested.setdefault(table, {})
        if not isinstance(inner, Mapping):
            raise OptionError(
                f"option {shown(given)} is a part of {shown(table)}, which is {shown(inner)} "
                "already; give one of the two"
            )
        nested[table] = {**inner, rest: value}
    return nested


def option_types(kind: type[Any]) -> dict[str, Any]:
    """The fields of an options dataclass and their resolved types, in order."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}


def digest_text(options: object) -> str:
    """One line that differs whenever any field differs: for cache keys and provenance."""
    if not dataclasses.is_dataclass(options):
        raise TypeError(f"expected a dataclass instance, got {type(options).__name__}")
    parts = (
        f"{field.name}={getattr(options, field.name)!r}" for field in dataclasses.fields(options)
    )
    return f"{type(options).__name__}({', '.join(parts)})"


def _converted(value: object, wanted: Any, key: str) -> object:  # noqa: PLR0911  one a kind
    origin = typing.get_origin(wanted)
    if origin in (types.UnionType, typing.Union):
        return _converted_to_one_of(value, typing.get_args(wanted), key)
    if origin is Mapping:  # a table for a reader further in
        return _converted_table(value, key)
    if origin is tuple:
        return _converted_tuple(value, typing.get_args(wanted), key)
    if origin is typing.Literal:
        return _chosen(value, [str(choice) for choice in typing.get_args(wanted)], key)
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum):
        return wanted(_chosen(value, [str(member.value) for member in wanted], key))
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        if isinstance(value, wanted):
            return value
        if isinstance(value, Mapping):
            return read_options(wanted, value)
    return _converted_plain(value, wanted, key)


def _chosen(value: object, allowed: list[str], key: str) -> str:
    text = str(value.value) if isinstance(value, enum.Enum) else str(value)
    if text not in allowed:
        raise OptionError(
            f"option {shown(key)}: got {shown(text)}; allowed: {listed_by_nearness(text, allowed)}"
        )
    return text


def _converted_to_one_of(value: object, kinds: tuple[Any, ...], key: str) -> object:
    if type(None) in kinds:
        if value is None or (isinstance(value, str) and value.casefold() in ("", "none")):
            return None
        kinds = tuple(kind for kind in kinds if kind is not type(None))
    problem: OptionError | None = None
    for kind in kinds:
        try:
            return _converted(value, kind, key)
        except OptionError as error:
            problem = error
    raise problem if problem is not None else OptionError(f"option {shown(key)} takes no value")


def _converted_table(value: object, key: str) -> object:
    if isinstance(value, Mapping):
        return value
    raise OptionError(f"option {shown(key)}: expected a table, got {shown(value)}")


def _converted_tuple(value: object, items: tuple[Any, ...], key: str) -> tuple[object, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)):
        raise OptionError(f"option {shown(key)}: expected a list, got {shown(value)}")
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_converted(item, items[0], key) for item in value)
    if len(value) != len(items):
        raise OptionError(f"option {shown(key)}: expected {len(items)} values, got {len(value)}")
    return tuple(_converted(item, kind, key) for item, kind in zip(value, items, strict=True))


def _converted_plain(value: object, wanted: Any, key: str) -> object:
    if wanted is bool:
        return _converted_bool(value, key)
    try:
        if wanted is int and not isinstance(value, bool):
            number = float(value) if isinstance(value, str) else value
            if int(number) != number:  # type: ignore[call-overload]
                raise ValueError
            return int(number)  # type: ignore[call-overload]
        if wanted is float and not isinstance(value, bool):
            return float(value)  # type: ignore[arg-type]
        if wanted is str and isinstance(value, (str, int, float)):
            return str(value)
    except (TypeError, ValueError, OverflowError):
        pass
    if isinstance(wanted, type) and isinstance(value, wanted) and not isinstance(value, bool):
        return value
    name = getattr(wanted, "__name__", str(wanted))
    raise OptionError(f"option {shown(key)}: expected {name}, got {shown(value)}")


def _converted_bool(value: object, key: str) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).casefold()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise OptionError(f"option {shown(key)}: expected true or false, got {shown(value)}")
