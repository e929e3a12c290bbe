"""What importing costs, and that no floor imports from above."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ovseg_annotate

ROOT = Path(__file__).parents[1]

HEAVY = (
    *("torch", "open_clip", "timm", "napari", "label_studio_ml", "qtpy"),
    *("ray", "pyarrow", "starlette", "uvicorn"),
)


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after running the code."""
    report = "\nimport sys\nsys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code + report], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    loaded = modules_after("import ovseg_annotate")
    assert not loaded & {*HEAVY, "PIL", "numpy", "skimage", "shapely", "yaml", "typer"}


def test_asking_for_help_imports_no_network_library() -> None:
    code = "import sys\nsys.argv = ['ovseg', '--help']\nfrom ovseg_annotate.cli import main\n"
    loaded = modules_after(code + "try:\n    main()\nexcept SystemExit:\n    pass")
    assert "typer" in loaded
    assert not loaded & set(HEAVY)


def test_the_lower_floors_and_the_flags_import_no_torch() -> None:
    names = ("regions", "formats.catalogue", "run_folder", "overlay", "catalog", "cli.app")
    loaded = modules_after("\n".join(f"import ovseg_annotate.{name}" for name in names))
    assert not loaded & set(HEAVY)


def test_every_public_name_is_there() -> None:
    for name in ovseg_annotate.__all__:
        assert getattr(ovseg_annotate, name) is not None


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = ovseg_annotate.Nothing
