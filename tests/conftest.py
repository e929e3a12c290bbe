"""What several test files share."""

from __future__ import annotations

import sys
from pathlib import Path

# Test support modules (tests/fake_engine.py and others) are imported by name.
sys.path.insert(0, str(Path(__file__).parent))
