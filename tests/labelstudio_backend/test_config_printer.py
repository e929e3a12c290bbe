"""What is printed is a labeling config that means the vocabulary it was printed for."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelstudio_backend.config_printer import LayoutOptions, Shape, labeling_config
from labelstudio_backend.label_config import read_label_config
from labelstudio_backend.words import words_of_controls
from ovseg_annotate.errors import OptionError, VocabularyError
from ovseg_annotate.vocabulary import Concept, Vocabulary

WORDS = Vocabulary.parse('car: sedan, "van, small" @0.4 #ff0000; road; -sky: blue sky, cloud')


def understood(config: str) -> Vocabulary:
    """The vocabulary that the backend reads from a config."""
    read = read_label_config(config)
    shapes = (control for control in read.controls if control.takes_regions)
    vocabulary = words_of_controls(shapes).vocabulary
    assert vocabulary is not None
    assert read.warnings == ()
    return vocabulary


def without_colours(vocabulary: Vocabulary) -> Vocabulary:
    return Vocabulary(tuple(replace(concept, colour=None) for concept in vocabulary))


@pytest.mark.parametrize(
    "shapes", [("polygon",), ("brush",), ("bitmask",), ("rectangle",), ("polygon", "brush")]
)
def test_the_backend_reads_back_the_vocabulary(shapes: tuple[Shape, ...]) -> None:
    config = labeling_config(WORDS, LayoutOptions(shapes=shapes))
    assert understood(config) == without_colours(WORDS)


texts = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters='"\ufffe\uffff'
    ),
    min_size=1,
    max_size=20,
).filter(str.strip)


@st.composite
def vocabularies(draw: st.DrawFn) -> Vocabulary:
    names = draw(
        st.lists(
            texts, min_size=1, max_size=5, unique_by=lambda name: " ".join(name.split()).casefold()
        )
    )
    concepts = []
    for number, name in enumerate(names):
        # Phrases of its own: concepts with equal words are one concept to the backend.
        phrases = tuple(f"{number} {phrase}" for phrase in draw(st.lists(texts, max_size=3)))
        threshold = draw(st.none() | st.floats(0, 1))
        concepts.append(Concept(name, phrases, number > 0 and draw(st.booleans()), threshold))
    return Vocabulary(tuple(concepts))


@given(vocabulary=vocabularies())
def test_any_vocabulary_comes_back(vocabulary: Vocabulary) -> None:
    assert understood(labeling_config(vocabulary, LayoutOptions())) == vocabulary


def labels(config: str, tag: str) -> list[dict[str, str]]:
    (control,) = (each for each in ET.fromstring(config) if each.tag == tag)  # noqa: S314
    return [label.attrib for label in control]


def test_labels_have_the_colours_of_the_vocabulary() -> None:
    shown = labels(labeling_config(WORDS, LayoutOptions()), "PolygonLabels")
    assert [label["background"] for label in shown] == [
        "#{:02x}{:02x}{:02x}".format(*colour) for colour in WORDS.colours
    ]


def test_pointing_tools_offer_what_can_be_labelled() -> None:
    config = labeling_config(WORDS, LayoutOptions(tools=("click",)))
    shown = labels(config, "KeyPointLabels")
    assert [label["value"] for label in shown] == ["car", "road"]
    assert {label["smart"] for label in shown} == {"true"}


def test_a_layout_without_extras_is_a_picture_and_its_labels() -> None:
    config = labeling_config(WORDS, LayoutOptions(tools=(), prompt=False, image="photo"))
    assert [each.tag for each in ET.fromstring(config)] == [  # noqa: S314
        "Image",
        "PolygonLabels",
    ]
    assert 'value="$photo"' in config


@pytest.mark.parametrize(
    "options",
    [{"shapes": ()}, {"shapes": ("brush", "brush")}, {"image": "$image"}, {"image": 'a"b'}],
)
def test_a_layout_that_cannot_be_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        LayoutOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("phrase", ['a "quoted" word', "bell\x07"])
def test_a_phrase_that_a_config_cannot_carry_is_refused(phrase: str) -> None:
    words = Vocabulary((Concept("thing", (phrase,)),))
    with pytest.raises(VocabularyError, match="leave it out"):
        labeling_config(words, LayoutOptions())
