"""Asks a person which pictures to review."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

from ovseg_annotate.image.reading import SUFFIXES


def asked_folder(parent: QWidget) -> Path | None:
    """A folder of pictures or of a run; None when nothing was chosen."""
    chosen = QFileDialog.getExistingDirectory(parent, "Pictures, or a run folder")
    return Path(chosen) if chosen else None


def asked_files(parent: QWidget) -> list[Path]:
    """Single pictures."""
    patterns = " ".join(f"*{suffix}" for suffix in SUFFIXES)
    chosen, _ = QFileDialog.getOpenFileNames(parent, "Pictures", "", f"Pictures ({patterns})")
    return [Path(each) for each in chosen]
