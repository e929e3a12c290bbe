"""JSON, YAML and TOML that anybody wrote: whatever is wrong with a text is a ValueError.

The parsers themselves also raise RecursionError for deep nesting and, for YAML, errors of their
own and whatever `int` and `datetime` say of a number or a date that cannot be.
"""

from __future__ import annotations

import json
import reprlib
import tomllib
from typing import Any

_LONGEST = 2**21  # characters of YAML and TOML, whose parsers need seconds for a million
_SHOWN = 60  # characters of a value in a message


def json_value(text: str | bytes) -> Any:
    """Read JSON; NaN and Infinity pass, as `json.loads` has it."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def json_text(value: object, indent: int | None = None) -> str:
    """Write JSON for people too; what no file can hold of a path that is not UTF-8, as escapes."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def yaml_value(text: str) -> Any:
    """Read YAML that holds plain values only.

    Aliases are shared and not copied, so a small text stays small; whoever prints a value uses
    `shown`, which does not follow them for ever.
    """
    import yaml  # noqa: PLC0415  a tenth of the import budget, needed for files only

    _check_length(text)
    try:
        return yaml.safe_load(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except (TypeError, AttributeError, KeyError, IndexError, OverflowError) as error:
        # Constructors of dates, numbers and sets fail in ways of their own.
        raise ValueError(f"a value cannot be read ({type(error).__name__}: {error})") from error


def toml_table(text: str) -> dict[str, Any]:
    """Read TOML."""
    _check_length(text)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def shown(value: object) -> str:
    """A value in a message: short, whatever it is."""
    try:
        text = _BRIEF.repr(value)
    except ValueError:  # Python refuses to print very long numbers
        text = f"a number of more than {_SHOWN} digits"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _check_length(text: str) -> None:
    if len(text) > _LONGEST:
        raise ValueError(f"it has {len(text):,} characters; at most {_LONGEST:,} are read")


_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 4
_BRIEF.maxdict = _BRIEF.maxlist = _BRIEF.maxtuple = 12
# Cut once, at the end, so that the beginning of a text is what is seen.
_BRIEF.maxstring = _BRIEF.maxother = 4 * _SHOWN
