"""What a person types, and which labels it is meant for."""

from __future__ import annotations

import pytest
from suggesting import Backend, config, control

from labelstudio_backend.label_config import read_label_config
from labelstudio_backend.typed_words import Meaning, meaning_of
from labelstudio_backend.words import ImageWords, Wording, words_of_controls
from ovseg_annotate.errors import VocabularyError
from ovseg_annotate.session import Session, open_session

TOWN = config(
    control(
        "PolygonLabels",
        "poly",
        '<Label value="car" prompt="sedan" threshold="0.2"/>',
        '<Label value="Traffic sign" alias="sign_1"/>',
        "road",
        '<Label value="glass" negative="true"/>',
    )
)


def words(text: str) -> ImageWords:
    return words_of_controls(read_label_config(text).controls)


@pytest.fixture(scope="module")
def session() -> Session:
    return Backend().sessions.opened


def town(text: str, session: Session) -> Meaning:
    return meaning_of(text, words(TOWN), session)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("car", [Wording("car", ("sedan",))]),
        ("a red car", [Wording("car", ("a red car",))]),
        ("cars", [Wording("car", ("cars",))]),
        ("old SEDAN", [Wording("car", ("old SEDAN",))]),
        ("car: van, pickup", [Wording("car", ("van", "pickup"))]),
        ("CAR @0.5", [Wording("car", ("sedan",), 0.5)]),
        ("sign_1: stop sign", [Wording("Traffic sign", ("stop sign",))]),
        ("big traffic signs", [Wording("Traffic sign", ("big traffic signs",))]),
        (
            "wet road, blue car",
            [Wording("road", ("wet road",)), Wording("car", ("blue car",))],
        ),
        ("blue car\nred car", [Wording("car", ("blue car", "red car"))]),
        ("car; blue car", [Wording("car", ("sedan", "blue car"))]),
        ("car number #7", [Wording("car", ("car number #7",))]),
    ],
)
def test_words_find_their_label(text: str, expected: list[Wording], session: Session) -> None:
    assert list(town(text, session).wordings) == expected


def test_what_stands_behind_a_minus_competes(session: Session) -> None:
    found = town("car; -shadow: shade, dark spot", session)
    assert found == Meaning((Wording("car", ("sedan",)),), ("shade", "dark spot"))


def test_with_one_label_everything_is_meant_for_it(session: Session) -> None:
    only = words(config(control("PolygonLabels", "poly", "thing")))
    found = meaning_of("zebra, giraffe", only, session)
    assert found.wordings == (Wording("thing", ("zebra", "giraffe")),)


def test_a_phrase_without_common_words_goes_to_the_nearest_label() -> None:
    known = words(config(control("PolygonLabels", "poly", "flower", "vehicle", "nucleus")))
    with open_session("naclip@mini") as session:
        found = meaning_of("blossom, automobile, nuclei", known, session)
    assert [(each.concept, each.phrases) for each in found.wordings] == [
        ("flower", ("blossom",)),
        ("vehicle", ("automobile",)),
        ("nucleus", ("nuclei",)),
    ]


@pytest.mark.parametrize("text", ["-shadow", "car, car", ";", "x" * 2001])
def test_what_means_nothing_is_refused(text: str, session: Session) -> None:
    with pytest.raises(VocabularyError):
        town(text, session)


def test_without_a_label_nothing_can_be_meant(session: Session) -> None:
    with pytest.raises(VocabularyError, match="no label"):
        meaning_of("car", words(config(control("PolygonLabels", "poly"))), session)
