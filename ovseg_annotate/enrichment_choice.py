"""Which weight the description of each concept should have, measured on corrected pictures.

Descriptions help where a name alone says little and harm where it says all; a handful of corrected
pictures tells the two apart, concept by concept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeAlias

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.descriptions.weights import ConceptWeight, ConceptWeights
from ovseg_annotate.errors import OptionError
from ovseg_annotate.evaluate_model import Annotator, examine, under_protocol
from ovseg_annotate.evaluation.scores import Scores
from ovseg_annotate.evaluation.trials import TrialSet
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.image import Image
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.session import open_session
from ovseg_annotate.vocabulary import Vocabulary

WEIGHTS = (0.0, 0.1, 0.2, 0.5)

_BORDER = 2.0  # px; borders are measured with the rest, and not used here

# The scores of all pictures when descriptions count so much.
Measure: TypeAlias = Callable[[float], Scores]


@dataclass(frozen=True, slots=True)
class Tried:
    """One concept of the corrected pictures."""

    name: str
    ious: tuple[float, ...]  # at each weight
    best: float  # the weight; of equally good ones the smallest

    @property
    def gain(self) -> float:
        """IoU over the plain name, which is the first weight."""
        return max(self.ious) - self.ious[0]


@dataclass(frozen=True, slots=True)
class Choice:
    """What came out, concept by concept; chosen on these pictures, so right for others like them.

    Each weight was tried for all concepts at once, as they compete.
    """

    weights: tuple[float, ...]
    concepts: tuple[Tried, ...]

    @property
    def chosen(self) -> ConceptWeights:
        return ConceptWeights(ConceptWeight(each.name, each.best) for each in self.concepts)


def choose_weights(measure: Measure, weights: Sequence[float] = WEIGHTS) -> Choice:
    """Try the weights one after the other; concepts that no picture has are left out."""
    if not weights or weights[0] != 0 or not all(0 <= weight <= 1 for weight in weights):
        raise OptionError(
            f"weights to try: got {tuple(weights)}; allowed: 0 first, for the plain names, then "
            "numbers up to 1"
        )
    tables = [_by_name(measure(weight)) for weight in weights]
    tried = []
    for name in tables[0]:
        ious = tuple(table[name] for table in tables)
        tried.append(Tried(name, ious, weights[ious.index(max(ious))]))
    return Choice(tuple(weights), tuple(tried))


def measured_by(
    model: str,
    trials: TrialSet,
    options: AnnotateOptions,
    engine_options: Mapping[str, object],
    store: FeatureStore | None = None,
) -> Measure:
    """A measure that opens the model at each weight; pictures are encoded once for all of them.

    `engine_options` say where descriptions come from: `{"enrich.source": "lexicon"}`.
    """
    kept = FeatureStore() if store is None else store

    def measure(weight: float) -> Scores:
        own = {**engine_options, "enrich.weight": weight}
        with closing(open_session(model, cache=kept, engine_options=own)) as session:

            def annotate(image: Image, words: Vocabulary) -> LabelMap:
                wanted = under_protocol(options, trials.protocol, image.size)
                return session.annotate(image, words, wanted).label_map

            annotator: Annotator = annotate
            return examine(trials, annotator, _BORDER, exhibits=0).result.scores

    return measure


def _by_name(scores: Scores) -> dict[str, float]:
    there = (each for each in scores.concepts if each.true_pixels)
    return {each.name: 0.0 if math.isnan(each.iou) else each.iou for each in there}
