"""Pictures of colours, and people who correct them, for the tests of learning.

Words that the vector engine does not know mean nothing to it, so that only corrections can teach
what they look like.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.image import Image, from_array
from ovseg_annotate.learning_loop.corrections import Correction, correction_of
from ovseg_annotate.learning_loop.project import Asked
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.session import Session
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("leaf: zorble; red; blue; -black")
OPTIONS = AnnotateOptions(contrast="none", refine=RefineOptions(method="none"))
SIDE = 64  # px
LEAF = (0, 200, 0)
GROUND = (0, 0, 0)
OTHERS = {"red": (255, 0, 0), "blue": (0, 0, 255)}


def leaves(seed: int) -> NDArray[np.bool_]:
    """Where the leaves of a picture are: whole cells of the engine, in its upper half."""
    cells = np.random.default_rng(seed).random((8, 8)) < 0.5
    cells[4:] = False
    cells[0, 0] = True
    return np.kron(cells, np.ones((8, 8), np.bool_))


def picture(seed: int) -> Image:
    """Leaves above; a red and a blue square below, which nobody corrects."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    shade = np.random.default_rng(seed).integers(-20, 20)
    pixels[leaves(seed)] = np.add(LEAF, (0, shade, 0))
    pixels[40:56, 8:24], pixels[40:56, 40:56] = OTHERS["red"], OTHERS["blue"]
    return from_array(pixels)


def number_of(name: str) -> int:
    return int(name.removesuffix(".png"))


def asked(words: Vocabulary = WORDS) -> Asked:
    return Asked(words, OPTIONS, lambda name: picture(number_of(name)))


def corrected(session: Session, seed: int, *, accepted: bool = False) -> Correction:
    """Somebody draws the leaves; red and blue stay as they were suggested."""
    name = f"{seed}.png"
    before = session.annotate(picture(seed), WORDS, OPTIONS).annotated_image(name)
    kept = tuple(each for each in before.regions if each.concept in OTHERS)
    leaf = Region("leaf", (), Mask.of(leaves(seed)))
    left = AnnotatedImage(name, before.size, (*kept, leaf), WORDS, None)
    return correction_of(before, left, accepted=accepted)


def overlap(session: Session, concept: str, seed: int) -> float:
    """IoU of a concept in a picture."""
    labels = session.annotate(picture(seed), WORDS, OPTIONS).label_map.labels
    truth = leaves(seed)
    if concept != "leaf":
        truth = (picture(seed).pixels == OTHERS[concept]).all(axis=2)
    found = labels == WORDS.names.index(concept) + 1
    return float((found & truth).sum() / (found | truth).sum())
