"""A labelled set as trials: all concepts of its protocol are asked of every picture."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice

import numpy as np

from ovseg_annotate.datasets.labelled import LabelledSet, ProtocolPicture
from ovseg_annotate.datasets.protocol import BACKGROUND, Protocol
from ovseg_annotate.evaluation.held_out import Asking
from ovseg_annotate.evaluation.trials import Trial, TrialSet
from ovseg_annotate.vocabulary import Concept, Vocabulary


def protocol_trials(
    labelled: LabelledSet, asking: Asking, words: Vocabulary | None = None
) -> TrialSet:
    """The first pictures of a set; `words` say how to ask for some of its concepts."""
    protocol = labelled.protocol
    concepts, competing = protocol.asked, protocol.competing
    if words is not None:
        concepts, competing = protocol.asked_as(words)
    count = min(asking.count, labelled.count)
    draw = partial(_trials, labelled, concepts, competing, Asking(count, asking.seed))
    return TrialSet(labelled.name, count, draw, protocol)


def _trials(
    labelled: LabelledSet,
    concepts: tuple[Concept, ...],
    competing: tuple[Concept, ...],
    asking: Asking,
) -> Iterator[Trial]:
    for index, picture in enumerate(islice(labelled.pictures(), asking.count)):
        # In a fixed order ties would go to what the data set lists first.
        order = np.random.default_rng((asking.seed, index)).permutation(len(concepts))
        yield _trial(picture, labelled.protocol, [concepts[place] for place in order], competing)


def _trial(
    picture: ProtocolPicture,
    protocol: Protocol,
    shuffled: list[Concept],
    competing: tuple[Concept, ...],
) -> Trial:
    unlabelled = protocol.background.is_unlabelled
    counted = [*shuffled, Concept(BACKGROUND)] if unlabelled else shuffled
    label_of = {concept.name: label for label, concept in enumerate(counted, start=1)}
    table = [0, *(label_of[concept.name] for concept in protocol.concepts), protocol.ignore]
    return Trial(
        name=picture.name,
        pixels=picture.pixels,
        truth=np.array(table, np.uint16)[picture.labels],
        vocabulary=Vocabulary(tuple(counted)),
        grounds=frozenset({BACKGROUND}),
        ignore=protocol.ignore,
        instances=picture.instances,
        crowds=picture.crowds,
        asked=Vocabulary((*shuffled, *competing)),
        background=len(counted) if unlabelled else None,
    )
