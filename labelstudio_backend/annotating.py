"""One picture of a task through the session, and what came of it for the editor."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelstudio_backend.choices import Presence, chosen_of, own_words, presences
from labelstudio_backend.label_config import Control, Kind
from labelstudio_backend.pictures import Picture
from labelstudio_backend.predictions import Drawn, choices_item, drawn
from labelstudio_backend.suggest_options import SuggestOptions
from labelstudio_backend.words import ImageWords, Wording
from ovseg_annotate.annotation import Annotation
from ovseg_annotate.image import Image
from ovseg_annotate.label_map import UNLABELLED, LabelMap
from ovseg_annotate.learning_loop.uncertainty import picture_uncertainty, pixel_uncertainty
from ovseg_annotate.session import Session
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

NOTHING = Drawn((), ())


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """How a picture is looked at."""

    session: Session
    options: SuggestOptions
    stopped: Callable[[], bool]
    tell: Callable[[Sequence[str]], None]  # what people should know about words and device

    @property
    def watch(self) -> Watch:
        return Watch(cancel=self.stopped)

    def check(self) -> None:
        """Raise `Cancelled` if the caller wants to stop."""
        self.watch.step("tasks", 0, 1)

    def annotation(self, image: Image, vocabulary: Vocabulary) -> Annotation:
        """Suggest a label for every pixel."""
        found = self.session.annotate(image, vocabulary, self.options.annotate, self.watch)
        self.tell(found.warnings)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A picture of a task and what is looked for in it."""

    picture: Picture
    controls: tuple[Control, ...]
    config_words: ImageWords  # as the labeling config has them
    remembered: tuple[Wording, ...]  # what people typed in this project

    @property
    def words(self) -> ImageWords:
        return self.config_words.reworded(self.remembered)


def suggestions(look: Look, subject: Subject) -> Drawn:
    """Everything that the controls of a picture have a place for."""
    picture, words = subject.picture, subject.words
    annotation = None
    shapes = NOTHING
    if words.vocabulary is not None:
        annotation = look.annotation(picture.image, words.vocabulary)
        shapes = shown(look, picture, words, annotation)
        shapes = replace(shapes, certainty=_certainty(annotation.label_map))
    choices = [control for control in subject.controls if control.kind is Kind.CHOICES]
    if not choices:
        return shapes
    by_label = {} if annotation is None else presences(annotation.label_map)
    items = list(shapes.items)
    for control in choices:
        by_choice = _presences_of_choices(look, picture.image, control)
        share = look.options.minimum_share
        chosen = chosen_of(control, words, (by_label, by_choice), share)
        if chosen is not None:
            items.append(choices_item(control, picture.canvas, chosen.values, chosen.score))
    return replace(shapes, items=tuple(items))


def shown(look: Look, picture: Picture, words: ImageWords, annotation: Annotation) -> Drawn:
    """The regions of an annotation in the controls that have a label for them."""
    # The vertex budget is met later, together with that of holes and of regions.
    options = replace(look.options.regions, vertices_per_polygon=None, vertices_per_image=None)
    wanted = {place.concept for place in words.places}
    if options.polygons == "region" and options.small == "drop":
        # Each region is then made of its own pixels alone: nobody pays for those not shown.
        annotation = replace(annotation, label_map=_only(annotation.label_map, wanted))
    return drawn(annotation.regions(options), words, picture.canvas, look.options)


def _certainty(label_map: LabelMap) -> float:
    """How sure the model is where it is least sure, 0 to 1."""
    doubt = picture_uncertainty(label_map, pixel_uncertainty(label_map)).uncertainty
    return min(max(1.0 - doubt, 0.0), 1.0)


def _only(label_map: LabelMap, concepts: Collection[str]) -> LabelMap:
    """The same with every other concept unlabelled."""
    kept = (
        number if concept.name in concepts else UNLABELLED
        for number, concept in enumerate(label_map.vocabulary, start=1)
    )
    numbers = np.array([UNLABELLED, *kept], label_map.labels.dtype)
    return replace(label_map, labels=numbers.take(label_map.labels))


def _presences_of_choices(look: Look, image: Image, control: Control) -> Mapping[str, Presence]:
    """Choices with words of their own are looked for apart: they take no pixels from labels."""
    vocabulary = own_words(control).vocabulary
    if vocabulary is None:
        return {}
    return presences(look.annotation(image, vocabulary).label_map)
