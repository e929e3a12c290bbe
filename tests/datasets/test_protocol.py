from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.annotate_options import working_scales
from ovseg_annotate.datasets.protocol import Background, Protocol, Resize, numbered_concepts
from ovseg_annotate.errors import FormatError, VocabularyError
from ovseg_annotate.geometry import Size
from ovseg_annotate.vocabulary import Concept, Vocabulary

STREET = Protocol(
    name="street",
    split="validation",
    concepts=(Concept("road"), Concept("car", ("car", "vehicle")), Concept("background")),
    meaning={1: "road", 7: "car", 8: "car", 0: "background"},
    background=Background.COMPETING,
    ignored=frozenset({255}),
    competing=(Concept("sky", negative=True),),
)


def test_values_become_labels_and_two_values_may_mean_one_concept() -> None:
    labels = STREET.labels_of(np.array([[1, 7, 8], [0, 255, 1]]), "a.png")
    assert labels.tolist() == [[1, 2, 2], [3, STREET.ignore, 1]]


@given(st.lists(st.sampled_from([0, 1, 7, 8, 255]), min_size=1, max_size=50))
def test_every_pixel_gets_the_label_of_its_own_value(values: list[int]) -> None:
    table = {1: 1, 7: 2, 8: 2, 0: 3, 255: 4}
    assert STREET.labels_of(np.array([values]), "").tolist() == [[table[each] for each in values]]


@pytest.mark.parametrize("value", [2, 254, 65535, -1])
def test_a_value_outside_the_table_names_the_file_the_value_and_what_is_allowed(value: int) -> None:
    with pytest.raises(FormatError, match=rf"a\.png has value {value}.*0-1, 7-8, 255"):
        STREET.labels_of(np.array([[1, value]]), "a.png")


def test_the_background_is_not_asked_for_where_competing_words_win_it() -> None:
    assert [each.name for each in STREET.asked] == ["road", "car"]


def test_words_say_how_to_ask_and_leave_the_other_concepts_as_they_are() -> None:
    concepts, competing = STREET.asked_as(Vocabulary.parse("Car: automobile @0.3; -haze; -sky"))
    assert concepts == (Concept("road"), Concept("car", ("automobile",), threshold=0.3))
    assert [each.name for each in competing] == ["sky", "haze"]


def test_words_that_the_protocol_does_not_know_are_refused() -> None:
    with pytest.raises(VocabularyError, match=r"'street' has no 'tree'; there is: .*road"):
        STREET.asked_as(Vocabulary.parse("tree"))


def test_an_edge_case_of_size_keeps_the_long_side_in_bounds() -> None:
    assert Resize(448).scale_for(Size(height=300, width=400)) == "448"
    assert Resize(448, 2048).scale_for(Size(height=100, width=1000)) == "2.048000x"


@given(st.integers(20, 4000), st.integers(20, 4000))
def test_neither_side_is_larger_than_the_rule_has_it(height: int, width: int) -> None:
    (scale,) = working_scales(Resize(336, 2048).scale_for(Size(height, width)))
    assert scale is not None
    factor = scale.factor_for(min(height, width))
    assert min(height, width) * factor <= 336 + 1e-6
    assert max(height, width) * factor <= 2048 + 0.01


def test_the_first_phrase_is_the_name_unless_it_is_taken() -> None:
    concepts, names = numbered_concepts(
        {1: "screen door, screen", 2: "step, stair", 3: "step", 4: "fan", 5: "Fan"}
    )
    assert names == {1: "screen door", 2: "step, stair", 3: "step", 4: "fan", 5: "Fan (2)"}
    assert concepts[0] == Concept("screen door", ("screen door", "screen"))
    assert concepts[4].phrases == ("Fan",)
    assert len(Vocabulary(concepts)) == 5


def test_a_concept_without_a_name_is_refused() -> None:
    with pytest.raises(VocabularyError, match="needs a name"):
        numbered_concepts({1: " , "})
