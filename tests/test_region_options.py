from __future__ import annotations

import subprocess
import sys

import pytest

from ovseg_annotate.errors import OptionError
from ovseg_annotate.options import read_options
from ovseg_annotate.region_options import RegionOptions, SplitOptions, VertexBudget


def test_options_are_read_from_text() -> None:
    options = read_options(
        RegionOptions,
        {
            "minimum-area": "5",
            "polygons": "gap-free",
            "vertices-per-polygon": "none",
            "vertices-per-image": "16000",
            "split": {"by": "score", "valley": "0.2"},
        },
    )
    assert options == RegionOptions(
        minimum_area=5,
        polygons="gap-free",
        vertices_per_image=16000,
        split=SplitOptions(by="score", valley=0.2),
    )
    assert options.budget == VertexBudget(None, 16000)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minimum_area": -1}, "minimum area: got -1 px"),
        ({"tolerance": -0.5}, "tolerance: got -0.5 px"),
        ({"tolerance": float("nan")}, "tolerance: got nan px"),
        ({"minimum_iou": 1.5}, "minimum IoU: got 1.5; allowed: 0 to 1"),
        ({"small": "keep"}, "small: got 'keep'; allowed: drop, merge"),
        ({"polygons": "boxes"}, "allowed: region, gap-free, none"),
        ({"instances": "all"}, "allowed: components, concept, split"),
        ({"vertices_per_polygon": 2}, "vertex budget: got 2"),
    ],
)
def test_a_value_out_of_range_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        RegionOptions(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"by": "colour"}, "by: got 'colour'; allowed: shape, score"),
        ({"neck": 0.5}, "split neck: got 0.5 px"),
        ({"valley": 0.0}, "split valley: got 0"),
        ({"smoothing": -1.0}, "split smoothing: got -1 px"),
    ],
)
def test_a_split_value_out_of_range_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        SplitOptions(**changes)  # type: ignore[arg-type]


def test_reading_options_imports_no_geometry_library() -> None:
    check = (
        "import sys; import ovseg_annotate.region_options; "
        "print([name for name in ('shapely', 'skimage', 'scipy', 'torch') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
