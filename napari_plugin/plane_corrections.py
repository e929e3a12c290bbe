"""What a person painted in a plane, as a correction for the journal of a project."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from napari_plugin.answers import Painted
from napari_plugin.layer_data import Labels
from ovseg_annotate.evaluation.effort import Effort
from ovseg_annotate.geometry import Size
from ovseg_annotate.learning_loop.corrections import Correction, Stated
from ovseg_annotate.lessons.lesson import NOTHING
from ovseg_annotate.regions import Mask, Region, mask_of
from ovseg_annotate.vocabulary import Vocabulary


def correction_of(painted: Painted, vocabulary: Vocabulary, picture: str) -> Correction:
    """Painted and accepted pixels are certain, erased ones rejected, all others unseen."""
    given = np.where(painted.persons, painted.labels, 0)
    taken = np.where(painted.persons & (painted.labels == 0), painted.proposed, 0)
    relabelled = painted.persons & (painted.labels != painted.proposed)
    return Correction(
        picture=picture,
        size=Size(*painted.labels.shape),
        version=painted.version,
        accepted=False,
        certain=tuple(_stated(given, vocabulary)),
        rejected=tuple(_stated(taken, vocabulary)),
        effort=Effort(pixels_relabelled=int(np.count_nonzero(relabelled))),
    )


def _stated(labels: Labels, vocabulary: Vocabulary) -> Iterator[Stated]:
    """One area a concept; what is painted as a negative one is none of the others."""
    size = Size(*labels.shape)
    names = [NOTHING if concept.negative else concept.name for concept in vocabulary]
    for name in dict.fromkeys(names):
        same = [label for label, each in enumerate(names, start=1) if each == name]
        where = np.isin(labels, same)
        if where.any():
            yield Stated(name, mask_of(Region("", (), Mask.of(where)), size))
