"""What a project may set by the extra parameters of its backend."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labelstudio_backend.suggest_options import SuggestOptions, with_extra_params
from ovseg_annotate.errors import OptionError
from ovseg_annotate.image import ReadingOptions

DEFAULTS = SuggestOptions()


def test_options_of_every_part_are_set_by_their_name() -> None:
    extra = {"contrast": "none", "minimum-area": "50", "holes": "brush", "stretch": "always"}
    found = with_extra_params(DEFAULTS, extra)
    assert found.warnings == ()
    assert found.options.annotate.contrast == "none"
    assert found.options.regions.minimum_area == 50
    assert found.options.regions.vertices_per_image == DEFAULTS.regions.vertices_per_image
    assert found.options.holes == "brush"
    assert found.options.reading.stretch == "always"


def test_nothing_set_changes_nothing() -> None:
    assert with_extra_params(DEFAULTS, {}).options is DEFAULTS


@pytest.mark.parametrize("name", ["hello", "maximum_pixels", "session", "annotate", ""])
def test_a_name_that_means_nothing_here_is_a_warning_that_lists_names(name: str) -> None:
    found = with_extra_params(DEFAULTS, {name: 10**12})
    assert found.options == DEFAULTS
    (warning,) = found.warnings
    assert "there is:" in warning


@pytest.mark.parametrize(
    "extra",
    [
        {"threshold": 2},
        {"holes": "round"},
        {"polygons": "none"},
        {"minimum_hole": -1},
        {"regions_per_task": 0},
        {"minimum_share": 1.5},
        {"vertices_per_image": "many"},
        {"contrast": ["a"]},
    ],
)
def test_a_value_that_cannot_be_is_an_error(extra: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        with_extra_params(DEFAULTS, extra)


def test_how_large_a_picture_may_be_changes_no_answer() -> None:
    larger = replace(DEFAULTS, reading=ReadingOptions(maximum_pixels=10, maximum_bytes=10))
    assert larger.identity == DEFAULTS.identity
    other = replace(DEFAULTS, reading=ReadingOptions(page=1))
    assert other.identity != DEFAULTS.identity
