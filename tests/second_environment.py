"""The environment of the real Label Studio and of other servers, whose pins clash with ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BUILT = Path(__file__).parents[1] / ".venv-label-studio" / "bin" / "python"


def second_python() -> Path:
    """Its interpreter; the test is skipped where it has not been built."""
    python = Path(os.environ.get("OVSEG_LABEL_STUDIO_PYTHON") or _BUILT)
    if not python.exists():
        pytest.skip("the environment of Label Studio is not there; run make test, which builds it")
    return python
