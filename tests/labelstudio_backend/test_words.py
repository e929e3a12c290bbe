"""Labels that mean the same are looked for once."""

from __future__ import annotations

import pytest
from suggesting import config, control

from labelstudio_backend.errors import LabelConfigError
from labelstudio_backend.label_config import read_label_config
from labelstudio_backend.words import ImageWords, Wording, words_of_controls


def words(*controls: str) -> ImageWords:
    found = read_label_config(config(*controls))
    return words_of_controls(each for each in found.controls if each.kind.is_shape)


def places(found: ImageWords) -> list[tuple[str, str, str]]:
    return [(place.concept, place.control.name, place.label) for place in found.places]


def test_a_label_of_two_controls_is_one_concept_with_the_words_of_both() -> None:
    found = words(
        control("PolygonLabels", "poly", '<Label value="car" prompt="sedan"/>', "road"),
        control("BrushLabels", "brush", '<Label value="Car" prompt="van, sedan"/>'),
    )
    assert str(found.vocabulary) == "car: sedan, van; road"
    assert places(found) == [
        ("car", "poly", "car"),
        ("road", "poly", "road"),
        ("car", "brush", "Car"),
    ]


def test_labels_with_equal_words_are_one_concept_and_keep_their_names() -> None:
    found = words(
        control("PolygonLabels", "poly", "car"),
        control("BrushLabels", "brush", '<Label value="painted" prompt="CAR"/>'),
    )
    assert str(found.vocabulary) == "car"
    assert places(found) == [("car", "poly", "car"), ("car", "brush", "painted")]


def test_of_two_labels_that_mean_the_same_a_control_uses_the_first() -> None:
    found = words(control("PolygonLabels", "poly", "car", "Car"))
    assert places(found) == [("car", "poly", "car")]


def test_a_negative_label_competes_and_has_no_place() -> None:
    found = words(control("PolygonLabels", "poly", "car", '<Label value="glass" negative="true"/>'))
    assert str(found.vocabulary) == "car; -glass"
    assert places(found) == [("car", "poly", "car")]


def test_an_alias_is_what_results_carry() -> None:
    found = words(control("PolygonLabels", "poly", '<Label value="car" alias="c1"/>'))
    assert places(found) == [("car", "poly", "c1")]
    assert found.concept_of("c1") == found.concept_of(" CAR ") == "car"
    assert found.concept_of("truck") is None


def test_a_threshold_of_the_control_holds_for_labels_that_have_none() -> None:
    tag = control(
        "PolygonLabels",
        "poly",
        "a",
        '<Label value="b" threshold="0.25"/>',
        attributes='model_score_threshold="0.5"',
    )
    assert str(words(tag).vocabulary) == "a @0.5; b @0.25"


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ('<Label value="a" threshold="0.2"/>', '<Label value="a" threshold="0.3"/>', "threshold"),
        ('<Label value="a" negative="true"/>', '<Label value="a"/>', "negative"),
        ('<Label value="a" threshold="0.2"/>', '<Label value="b" prompt="a"/>', "thresholds"),
    ],
)
def test_labels_that_contradict_one_another_are_refused(first: str, second: str, said: str) -> None:
    with pytest.raises(LabelConfigError, match=said):
        words(control("PolygonLabels", "poly", first), control("BrushLabels", "brush", second))


def test_without_any_label_there_is_no_vocabulary() -> None:
    found = words(control("PolygonLabels", "poly"))
    assert found == ImageWords(None, ())
    assert found.reworded([Wording("car", ("van",))]) == found


def test_other_words_for_a_concept_leave_the_rest_alone() -> None:
    found = words(control("PolygonLabels", "poly", '<Label value="car" threshold="0.2"/>', "road"))
    new = found.reworded([Wording("car", ("van",)), Wording("gone", ("x",))])
    assert str(new.vocabulary) == "car: van @0.2; road"
    assert str(new.reworded([Wording("road", ("road",), 0.5)]).vocabulary) == (
        "car: van @0.2; road @0.5"
    )
    assert new.places == found.places


def test_what_is_shown_can_be_fewer_than_what_competes() -> None:
    found = words(control("PolygonLabels", "poly", "car", "road")).shown({"road"})
    assert str(found.vocabulary) == "car; road"
    assert places(found) == [("road", "poly", "road")]
