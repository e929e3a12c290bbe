"""How suggestions are made and shown in the editor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import OptionError, listed_by_nearness
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.options import digest_text, option_types, read_options
from ovseg_annotate.region_options import RegionOptions

Holes = Literal["keyhole", "brush", "bitmask", "fill"]

_PARTS = ("annotate", "regions", "reading")
# How much of the machine a picture may use is not for a project to say.
_LIMITS = ("maximum_pixels", "maximum_bytes")
_OPERATORS = (*_LIMITS, "session")


def _editable_regions() -> RegionOptions:
    """40 polygons of 400 points draw in two seconds; a polygon of 6000 points freezes the page."""
    return RegionOptions(vertices_per_polygon=400, vertices_per_image=5000)


@dataclass(frozen=True, slots=True)
class SuggestOptions:
    """Set at start; a project changes them by the extra parameters of its backend."""

    annotate: AnnotateOptions = field(default_factory=AnnotateOptions)
    regions: RegionOptions = field(default_factory=_editable_regions)
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    holes: Holes = "keyhole"  # of polygons; brush, bitmask: left to such a control of the label
    minimum_hole: int = 32  # px; smaller holes of polygons are filled in
    regions_per_task: int = 500  # the largest ones; each is a line in the editor's list
    brushes_per_task: int = 20  # beyond, one brush holds all regions of a label
    minimum_share: float = 0.01  # of the picture, for a choice to hold
    remember_prompts: bool = True  # what was typed is looked for in the project's next tasks, too
    learn: bool = False  # from what people answer; set by connect --learn
    session: str = ""  # what else was set on the session, in words: part of the version

    def __post_init__(self) -> None:
        if self.holes not in get_args(Holes):
            raise OptionError(f"holes: got {self.holes!r}; allowed: {', '.join(get_args(Holes))}")
        if self.regions.polygons == "none":
            raise OptionError("polygons: got 'none'; allowed: region, gap-free")
        for name, least in (("minimum_hole", 0), ("regions_per_task", 1), ("brushes_per_task", 0)):
            if getattr(self, name) < least:
                raise OptionError(f"{name}: got {getattr(self, name)}; allowed: {least} or more")
        if not 0 <= self.minimum_share <= 1:
            raise OptionError(f"minimum_share: got {self.minimum_share:g}; allowed: 0 to 1")

    @property
    def identity(self) -> str:
        """Differs whenever an answer may; limits of size only decide whether there is one."""
        usual = ReadingOptions()
        reading = replace(self.reading, **{name: getattr(usual, name) for name in _LIMITS})
        return digest_text(replace(self, reading=reading, remember_prompts=True, learn=False))


@dataclass(frozen=True, slots=True)
class ProjectOptions:
    """What the extra parameters of a project came to."""

    options: SuggestOptions
    warnings: tuple[str, ...] = ()


def with_extra_params(options: SuggestOptions, extra: Mapping[str, object]) -> ProjectOptions:
    """Options with what a project changes: names as on the command line, {"contrast": "none"}.

    Label Studio has one such field for whatever a backend wants, so a name that means nothing
    here is a warning; a value that cannot be is an error.
    """
    values: dict[str, dict[str, object]] = {name: {} for name in ("", *_PARTS)}
    homes = _homes(options)
    warnings = []
    for given, value in extra.items():
        name = given.replace("-", "_")
        if name not in homes:
            warnings.append(
                f"the extra parameter {given!r} means nothing here; there is: "
                f"{listed_by_nearness(name, homes)}"
            )
            continue
        values[homes[name]][name] = value
    changed: dict[str, Any] = values.pop("")
    for part, given_values in values.items():
        if given_values:
            changed[part] = _changed(getattr(options, part), given_values)
    return ProjectOptions(_changed(options, changed) if changed else options, tuple(warnings))


def _homes(options: SuggestOptions) -> dict[str, str]:
    """The part in which each option stands; "" for those of `SuggestOptions` itself."""
    homes = {
        name: part
        for part in _PARTS
        for name in option_types(type(getattr(options, part)))
        if name not in _OPERATORS
    }
    own = (each.name for each in fields(options) if each.name not in (*_PARTS, *_OPERATORS))
    return homes | dict.fromkeys(own, "")


def _changed(options: Any, values: Mapping[str, object]) -> Any:
    """The same options with some values read from plain ones."""
    kind = type(options)
    plain = {name: getattr(options, name) for name in option_types(kind)}
    return read_options(kind, {**plain, **values})
