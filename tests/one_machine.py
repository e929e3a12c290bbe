"""What a fleet must come out at, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from annotated_samples import as_record

from ovseg_annotate.session import open_session
from ovseg_annotate.vocabulary import Vocabulary


def records_of_one_machine(paths: Sequence[Path], words: Vocabulary) -> dict[str, bytes]:
    """The record of each picture that can be read, by the name of its file."""
    with open_session(device="cpu", precision="float32") as session:
        return {
            each.path.name: as_record(each.annotation.annotated_image(each.path.name))
            for each in session.annotate_many(paths, words)
            if each.annotation is not None
        }
