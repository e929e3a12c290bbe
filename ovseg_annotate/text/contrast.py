"""Phrases that compete for pixels so that not everything has to be one of the asked concepts.

Rule of `contrast="auto"`: when half of the asked concepts or more are things of the microscope,
its surroundings compete, otherwise those of photographs. A contrast phrase all of whose words
stand in an asked phrase ("wall" when "brick wall" is asked) is left out: it would win what it
should frame. Words that are true of every ground ("background") are left out as soon as a ground
is asked for ("grass", "road"). A tower that knows only some words competes only with those that it
knows. Once the vectors are known, `without_echoes` leaves out what was asked for in other words.
"""

from __future__ import annotations

from collections.abc import Collection

from ovseg_annotate.errors import OptionError
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.text.words import is_known, stem, words_of
from ovseg_annotate.vocabulary import Vocabulary

# What surrounds things in photographs: grounds, skies, walls and the large furniture of a scene.
PHOTOGRAPH = (
    "background",
    "sky",
    "ground",
    "grass",
    "trees",
    "water",
    "snow",
    "sand",
    "rock",
    "mountain",
    "road",
    "pavement",
    "building",
    "wall",
    "fence",
    "floor",
    "ceiling",
    "window",
    "curtain",
    "table top",
    "shadow",
)

# True of any ground: they would win what a more exact word asks for.
_ANY_GROUND = frozenset({"background", "dark background", "bright background", "ground", "floor"})
_GROUNDS = frozenset(
    """
    asphalt background beach brick carpet ceiling cloth concrete curtain desert fabric field floor
    forest grass gravel ground lawn meadow mud ocean pavement pebble plank river road rock sand sea
    sky snow soil stone street tile timber tissue wall water wood
    """.split()  # noqa: SIM905
)

# What surrounds things under a microscope.
MICROSCOPE = (
    "background",
    "dark background",
    "bright background",
    "empty glass slide",
    "out of focus blur",
    "debris",
    "tissue",
)

# A concept with one of these is a thing of the microscope, unless it is a phone.
_MICROSCOPE_WORDS = frozenset(
    """
    actin axon bacteria bacterium bead cell chromosome colony cytoplasm dendrite embryo fiber
    fibre filament fluorescence fungus gland granule histology hypha lumen lymphocyte membrane
    microscope microscopy microtubule mitochondria mitochondrion mitosis neurite neuron nuclei
    nucleolus nucleus organelle organoid platelet pollen sperm spore stroma tissue vesicle yeast
    """.split()  # noqa: SIM905
)
_ECHO = 0.9  # cosine; half of all everyday nouns have no other noun so near (ViT-B/32)
_ELSEWHERE = frozenset({"phone", "prison", "solar", "tower"})  # "cell phone", "cell tower"


def with_contrast(
    vocabulary: Vocabulary, contrast: str, known_words: Collection[str] = ()
) -> Vocabulary:
    """Add the competing phrases that `contrast` asks for: auto, none, or phrases between commas.

    `known_words` are those of the tower's card; empty means that it may know any word.
    """
    choice = contrast.strip()
    if choice.casefold() == "none":
        return vocabulary
    if choice.casefold() == "auto":
        return vocabulary.with_competitors(contrast_phrases(vocabulary, known_words))
    phrases = tuple(phrase.strip() for phrase in choice.split(",") if phrase.strip())
    if not phrases:
        raise OptionError(
            f"contrast {contrast!r} names no phrase; write auto, none, or phrases between commas "
            "such as 'sky, wall'"
        )
    return vocabulary.with_competitors(phrases)


def contrast_phrases(vocabulary: Vocabulary, known_words: Collection[str] = ()) -> tuple[str, ...]:
    """The contrast phrases that fit this vocabulary and this tower."""
    asked = [
        frozenset(map(stem, words_of(text)))
        for concept in vocabulary
        for text in (concept.name, *concept.phrases)
    ]
    grounds_asked = any(words & _GROUNDS for words in asked)
    return tuple(
        phrase
        for phrase in (MICROSCOPE if _is_of_microscope(vocabulary) else PHOTOGRAPH)
        if not any(words.issuperset(map(stem, words_of(phrase))) for words in asked)
        and not (grounds_asked and phrase in _ANY_GROUND)
        and is_known(phrase, known_words)
    )


def without_echoes(asked: Vocabulary, competing: TextBank) -> Vocabulary:
    """Leave out contrast phrases that mean almost what an asked phrase means ("wall", "bricks").

    `competing` is the bank of the vocabulary that `with_contrast` made of `asked`.
    """
    own = len(asked.phrases)
    cosines = competing.embeddings[own:] @ competing.embeddings[:own].T  # (added, asked)
    added = zip(competing.vocabulary.phrases[own:], cosines.amax(dim=1).tolist(), strict=True)
    return asked.with_competitors(phrase for phrase, cosine in added if cosine < _ECHO)


def _is_of_microscope(vocabulary: Vocabulary) -> bool:
    asked = [concept for concept in vocabulary if not concept.negative]
    small = 0
    for concept in asked:
        words = {stem(word) for text in (concept.name, *concept.phrases) for word in words_of(text)}
        small += bool(words & _MICROSCOPE_WORDS) and not words & _ELSEWHERE
    return 2 * small >= len(asked)
