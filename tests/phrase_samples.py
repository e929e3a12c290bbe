"""Pictures of colours asked for with a phrase that misleads, and people who correct them.

"blue" is said to mean leaves, beside "green". Of two squares one is red and one is blue, and no
leaf is either.
"""

from __future__ import annotations

from learning_samples import OPTIONS, leaves, number_of, picture

from ovseg_annotate.learning_loop.corrections import Correction, correction_of
from ovseg_annotate.learning_loop.project import Asked
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.session import Session
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("leaf: green, blue; red; white: white, grey; -black")


def asked(words: Vocabulary = WORDS) -> Asked:
    return Asked(words, OPTIONS, lambda name: picture(number_of(name)))


def corrected(session: Session, seed: int, words: Vocabulary = WORDS) -> Correction:
    """Somebody takes the blue square away and accepts the picture."""
    name = f"{seed}.png"
    before = session.annotate(picture(seed), words, OPTIONS).annotated_image(name)
    red = (picture(seed).pixels == (255, 0, 0)).all(axis=2)
    regions = (Region("leaf", (), Mask.of(leaves(seed))), Region("red", (), Mask.of(red)))
    left = AnnotatedImage(name, before.size, regions, words, None)
    return correction_of(before, left, accepted=True)


def overlap(session: Session, seed: int, words: Vocabulary = WORDS) -> float:
    """IoU of leaves in a picture."""
    found = session.annotate(picture(seed), words, OPTIONS).label_map.labels == 1
    truth = leaves(seed)
    return float((found & truth).sum() / (found | truth).sum())
