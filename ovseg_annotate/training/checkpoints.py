"""The state of a run on disk: written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ovseg_annotate.errors import RunError
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.whole_files import whole_file

CHECKPOINT_FILE = "checkpoint.pt"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    step: int  # optimiser steps that are done
    module: Mapping[str, Tensor]
    averaged: Mapping[str, Tensor]
    optimisers: tuple[Mapping[str, Any], ...]  # torch's own state of each optimiser
    settings: str  # digest of what must not change when a run goes on


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write beside the old one, flush, then rename: a kill at any moment leaves a whole file."""
    content = {name: getattr(checkpoint, name) for name in Checkpoint.__slots__}
    path = folder / CHECKPOINT_FILE
    with explained(path), whole_file(path, durable=True) as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # torch cannot end its archive where the disk is full, and says that instead.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def last_checkpoint(run_folder: Path) -> Checkpoint:
    """The run's last state, to be exported."""
    checkpoint = load_checkpoint(run_folder)
    if checkpoint is None:
        raise RunError(
            f"no checkpoint in {run_folder} yet; wait for the first one, or name the folder of a "
            "run that has started"
        )
    return checkpoint


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The run's last state; None when it has not saved one yet."""
    path = folder / CHECKPOINT_FILE
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return Checkpoint(**{name: content[name] for name in Checkpoint.__slots__})
    except Exception as error:  # a damaged pickle makes torch fail in any way there is
        raise RunError(
            f"cannot read the checkpoint {path}: {error}; name another run folder, or remove the "
            "file to start this run again"
        ) from error
