"""JSON schemas of frozen dataclasses."""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ovseg_annotate.options import option_types

Plain: TypeAlias = dict[str, Any]

_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string"}


def object_of(fields: Mapping[str, Any], required: Sequence[str] | None = None) -> Plain:
    return {
        "type": "object",
        "properties": dict(fields),
        "required": list(fields if required is None else required),
        "additionalProperties": False,
    }


def schema_of(kind: type[Any], *, required: bool) -> Plain:
    """The schema of a frozen dataclass of options or of facts."""
    found = {name: _schema(wanted) for name, wanted in option_types(kind).items()}
    return object_of(found, None if required else ())


def _schema(wanted: Any) -> Plain:  # noqa: PLR0911  one a kind
    origin, parts = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_schema(part) for part in parts]}
    if origin is tuple:
        whole: Plain = {"type": "array", "items": _schema(parts[0])}
        if parts[-1] is not Ellipsis:
            whole |= {"minItems": len(parts), "maxItems": len(parts)}
        return whole
    if origin is typing.Literal:
        return {"enum": list(parts)}
    if wanted is type(None):
        return {"type": "null"}
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        return schema_of(wanted, required=False)
    if issubclass(wanted, enum.Enum):
        return {"enum": [member.value for member in wanted]}
    return {"type": _PLAIN[wanted]}
