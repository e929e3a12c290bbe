"""What is read hostilely: a good example on disk, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ovseg_annotate.geometry import Polygon, Size
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import Vocabulary

Change: TypeAlias = Callable[[bytes], bytes]

WORDS = Vocabulary.parse("car: sedan @0.4 #10ff20; road; -sky")
PROVENANCE = Provenance("fake@none", "0" * 64, str(WORDS), "", "8 bit", "float32", "0")


@dataclass(frozen=True)
class Reader:
    """Writes good files into a folder, and reads the folder."""

    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    only: str = "*"  # which of the files are made hostile
    # Changes what a checksum or a length protects, and puts that right again.
    inside: Callable[[bytes, Change], bytes] | None = None


def annotated(name: str = "a.png") -> AnnotatedImage:
    square = Polygon(np.array([(1.0, 1.0), (9.0, 1.0), (9.0, 8.0), (1.0, 8.0)]))
    holed = np.ones((5, 6), np.bool_)
    holed[2, 3] = False
    regions = (
        Region("car", (square,), None, 0.5, 0.25),
        Region("road", (), Mask.of(holed, 3, 4), 0.75),
    )
    return AnnotatedImage(name, Size(10, 12), regions, WORDS, PROVENANCE)
