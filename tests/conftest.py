"""What several test files share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Test support modules (tests/fake_engine.py and others) are imported by name.
sys.path.insert(0, str(Path(__file__).parent))

# A busy machine is no defect of the code under test.
settings.register_profile("ovseg", deadline=None)
settings.load_profile("ovseg")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads, and much slower on a busy machine."""
    import torch  # noqa: PLC0415  collecting the tests does not need it

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
