"""Recipes: small TOML files that say everything about a run."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import torch

from ovseg_annotate.errors import OptionError, listed_by_nearness
from ovseg_annotate.options import read_options
from ovseg_annotate.plain_data import shown, toml_table
from ovseg_annotate.training.distributed import Peers
from ovseg_annotate.training.loop import Outcome
from ovseg_annotate.training.progress import Progress

_HEADS = "ovseg_annotate.training.heads:HeadRecipe"
# What can be trained, and the dataclass that its recipe is read into.
SYSTEMS: Mapping[str, str] = MappingProxyType(
    {
        "mini": "ovseg_annotate.training.mini_recipe:MiniRecipe",
        "catseg": _HEADS,
        "logoseg": _HEADS,
        "fgaseg": _HEADS,
        "lmseg": _HEADS,
        "pgseg": "ovseg_annotate.training.pgseg_recipe:PgsegRecipe",
        "sseg": "ovseg_annotate.training.sseg:SsegRecipe",
        "sseg-plus": "ovseg_annotate.training.sseg_plus:SsegPlusRecipe",
        "guide": "ovseg_annotate.training.guide:GuideRecipe",
    }
)
DEFAULT_SYSTEM = "mini"


class Recipe(Protocol):
    """A frozen dataclass: a field for each table of the file."""

    def train(
        self,
        run_folder: Path,
        on_progress: Callable[[Progress], None] = ...,
        device: torch.device = ...,
        peers: Peers = ...,
    ) -> Outcome:
        """Train, or go on where the run folder left off."""

    def export(self, run_folder: Path, folder: Path) -> None:
        """Write what `ENGINE@FOLDER` opens."""


def read_recipe(path: Path, changes: Mapping[str, Mapping[str, object]] | None = None) -> Recipe:
    """Read a recipe; `changes` are keys of its tables, said on the command line."""
    try:
        content = toml_table(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"cannot read the recipe {path}: {error}") from error
    except ValueError as error:
        raise OptionError(f"the recipe {path} is not valid TOML: {error}") from error
    try:
        for table, own in (changes or {}).items():
            content[table] = {**_table(content, table), **own}
        recipe: Recipe = read_options(_kind_of(content), content)
    except OptionError as error:
        raise OptionError(f"the recipe {path}: {error}") from error
    return recipe


def _table(content: Mapping[str, object], name: str) -> Mapping[str, object]:
    table = content.get(name, {})
    if not isinstance(table, Mapping):
        raise OptionError(f"{name}: expected a table, got {shown(table)}")
    return table


def _kind_of(content: Mapping[str, object]) -> type[Any]:
    system = content.get("system", DEFAULT_SYSTEM)
    if not isinstance(system, str) or system not in SYSTEMS:
        raise OptionError(
            f"system: got {shown(system)}; allowed: {listed_by_nearness(shown(system), SYSTEMS)}"
        )
    module, _, attribute = SYSTEMS[system].partition(":")
    kind: type[Any] = getattr(importlib.import_module(module), attribute)
    return kind
