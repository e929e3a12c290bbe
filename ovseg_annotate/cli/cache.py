"""`ovseg cache`: the image features that are kept on disk."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import typer

from ovseg_annotate.cli.sessions import default_cache
from ovseg_annotate.errors import OptionError

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """Which cache, and what to do with it."""

    folder: Path | None = None  # the default cache if not given
    clear: bool = False  # forget everything
    limit: str | None = None  # drop what was used longest ago until it fits, such as 5G
    json: bool = False  # one JSON object on stdout


def cache(options: CacheOptions) -> None:
    """Say where image features are kept and how much there is; clear or shrink them."""
    from ovseg_annotate.feature_store import FeatureStore  # noqa: PLC0415  imports torch

    folder = options.folder or default_cache()
    store = FeatureStore(folder=folder)
    if options.clear:
        store.clear()
    if options.limit is not None:
        store.shrink(bytes_of(options.limit))
    use = store.disk_use()
    if options.json:
        plain = {"folder": str(folder), "entries": use.entries, "bytes": use.bytes}
        typer.echo(json.dumps(plain))
    else:
        typer.echo(f"{folder}: {use.entries} entries, {readable(use.bytes)}")


def bytes_of(text: str) -> int:
    """Read 500M, 5G, 1.5 GB or a plain number of bytes."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?\s*", text.upper())
    if found is None:
        raise OptionError(f"--limit {text!r} is not a size; write 500M, 5G or a number of bytes")
    return round(float(found[1]) * _UNITS[found[2]])


def readable(count: int) -> str:
    """1536 -> 1.5 KiB."""
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
