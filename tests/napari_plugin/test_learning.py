"""What a person showed one model, while another one is used."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from fake_engine import FakeEngine
from napari.layers import Image
from napari_at_once import coloured_picture
from vector_engine import CPU, VectorEngine

from napari_plugin.answers import PlaneAnswer
from napari_plugin.monitor import Monitor
from napari_plugin.pictures import LayerPictures
from napari_plugin.preferences import Preferences
from napari_plugin.suggesting import Request, Suggestion, Suggestor
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import ModelError
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.pointing.marks import AreaMark
from ovseg_annotate.region_options import RegionOptions
from ovseg_annotate.session import Session
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("plum; green")  # nobody taught the engine what a plum is
SHOWN, DEAF = Preferences(model="vectors@here"), Preferences(model="fake@here")


class TwoModels:
    """One that can be pointed with, one that cannot."""

    def __init__(self) -> None:
        self._made = {
            SHOWN: Session(VectorEngine(), CPU, FeatureStore(), model=SHOWN.model),
            DEAF: Session(FakeEngine(), CPU, FeatureStore(), model=DEAF.model),
        }

    def session(self, preferences: Preferences, _monitor: Monitor) -> Session:
        return self._made[preferences]


class Person:
    """Asks one suggestor about one picture, with one model or the other."""

    def __init__(self) -> None:
        self.suggestor = Suggestor(TwoModels())
        self._source = LayerPictures.of(Image(coloured_picture()))

    def asks(self, preferences: Preferences, *answers: PlaneAnswer) -> Suggestion:
        options = AnnotateOptions(contrast="none")
        asked = Request(self._source, ((),), WORDS, options, RegionOptions(), preferences, answers)
        results = self.suggestor.suggestions(asked, Monitor())
        (suggestion,) = [each for each in results if isinstance(each, Suggestion)]
        return suggestion


def answer() -> PlaneAnswer:
    mask = np.zeros((64, 64), np.bool_)
    mask[2:14, 2:30] = True  # red
    return PlaneAnswer((), (AreaMark("plum", mask),))


@pytest.fixture
def person() -> Iterator[Person]:
    person = Person()
    yield person
    person.suggestor.close()


@pytest.fixture
def taught(person: Person) -> Person:
    person.asks(SHOWN, answer())
    return person


def test_what_one_model_learnt_is_left_aside_with_another_and_that_is_told(taught: Person) -> None:
    told = taught.asks(DEAF).warnings
    assert any("learnt with another model" in warning for warning in told)


def test_it_counts_again_when_the_person_goes_back(taught: Person) -> None:
    before = taught.asks(SHOWN)
    taught.asks(DEAF)
    after = taught.asks(SHOWN)
    assert "examples=" in after.provenance.options
    assert after.provenance == before.provenance
    assert np.array_equal(after.labels, before.labels)


def test_a_model_that_cannot_be_pointed_with_says_so_as_soon_as_it_is_open(person: Person) -> None:
    person.suggestor.check_pointable(DEAF)  # nobody knows yet
    person.asks(DEAF)
    with pytest.raises(ModelError, match="cannot be pointed with"):
        person.suggestor.check_pointable(DEAF)
    person.suggestor.check_pointable(SHOWN)  # another model is wanted by now


def test_teaching_such_a_model_is_refused_and_it_goes_on_from_words(person: Person) -> None:
    with pytest.raises(ModelError, match="naclip@mini"):
        person.asks(DEAF, answer())
    assert not person.suggestor.learning.has_examples
    assert person.asks(DEAF).labels.any()
