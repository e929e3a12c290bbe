"""Small annotated pictures for the tests of run folders and of the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.formats import native
from ovseg_annotate.geometry import Polygon, Size
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.regions import AnnotatedImage, Region, RegionOptions
from ovseg_annotate.run_folder import Fingerprint, Picture, RunSettings
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("red; green: leaf, grass; -blue")


def settings(**changes: object) -> RunSettings:
    values: dict[str, object] = {
        "model": "fake@none",
        "weights": "0" * 64,
        "engine_options": "",
        "vocabulary": str(WORDS),
        "annotate": AnnotateOptions(),
        "regions": RegionOptions(),
        "reading": ReadingOptions(),
    }
    return RunSettings(**(values | changes))  # type: ignore[arg-type]


def picture_file(path: Path, colour: tuple[int, int, int] = (255, 0, 0)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((24, 32, 3), np.uint8)
    pixels[:, 16:] = colour
    PillowImage.fromarray(pixels).save(path)
    return path


def picture(path: Path, name: str | None = None) -> Picture:
    return Picture(name or path.name, picture_file(path))


def annotated(name: str = "a.png", concept: str = "red") -> AnnotatedImage:
    square = Polygon(np.array([[16.0, 0.0], [32.0, 0.0], [32.0, 24.0], [16.0, 24.0]]))
    return AnnotatedImage(
        name=name,
        size=Size(height=24, width=32),
        regions=(Region(concept, (square,), None, confidence=0.75, margin=0.5),),
        vocabulary=WORDS,
        provenance=Provenance("fake@none", "0" * 64, str(WORDS), "", "8 bit", "float32", "0"),
    )


def as_record(image: AnnotatedImage) -> bytes:
    """What must be equal, to the byte, however it was made and kept."""
    return native.to_bytes(image, native.Kind.SUGGESTION)


def fingerprint(taken: Picture) -> Fingerprint:
    return Fingerprint.of(taken.path)
