"""The import of torch that a window drawn by Mesa survives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ovseg_annotate.torch_guard import import_torch

ROOT = Path(__file__).parents[1]

ORDER = """
import sys
from ovseg_annotate.torch_guard import import_torch
assert "torch" not in sys.modules and "triton" not in sys.modules
flags = sys.getdlopenflags()
torch = import_torch()
assert torch is sys.modules["torch"]
assert sys.getdlopenflags() == flags
"""

WITHOUT_TRITON = """
import sys
sys.modules["triton"] = None  # as where it is not installed
from ovseg_annotate.torch_guard import import_torch
assert import_torch().tensor([1]).item() == 1
"""


@pytest.mark.parametrize("code", [ORDER, WITHOUT_TRITON])
def test_torch_is_imported_and_the_loader_is_left_as_it_was(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_it_may_be_called_again() -> None:
    assert import_torch() is import_torch()
