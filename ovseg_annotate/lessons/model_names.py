"""ENGINE@WEIGHTS+FILE: a model together with the version that was learnt for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

SUFFIX = ".lesson"


def split_model(text: str) -> tuple[str, Path | None]:
    """The model as it came, and the file of its version where one is named."""
    if not text.strip().endswith(SUFFIX) or "+" not in text:
        return text, None
    parts = text.strip().split("+")
    splits = [
        ("+".join(parts[:place]), Path("+".join(parts[place:])).expanduser())
        for place in range(1, len(parts))
    ]
    # Folders may have a + in their names: the file that is there tells which one is meant.
    return next((split for split in splits if split[1].is_file()), splits[0])


def with_version(model: str, file: Path) -> str:
    """How to ask for a model together with a version."""
    return f"{split_model(model)[0]}+{file}"


def digest_with(weights: str, lesson: str) -> str:
    """Names base weights and a lesson together."""
    return hashlib.sha256(f"{weights} {lesson}".encode()).hexdigest()
