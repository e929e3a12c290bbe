from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.errors import VocabularyError
from ovseg_annotate.vocabulary import Concept, Vocabulary, colour_by_position

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
    lambda text: text.strip() != ""
)
concepts = st.builds(
    Concept,
    name=texts,
    phrases=st.lists(texts, max_size=4).map(tuple),
    negative=st.booleans(),
    threshold=st.none() | st.floats(0, 1),
    colour=st.none() | st.tuples(*[st.integers(0, 255)] * 3),
)


def vocabularies() -> st.SearchStrategy[Vocabulary]:
    distinct = st.lists(
        concepts, min_size=1, max_size=6, unique_by=lambda concept: concept.name.casefold()
    )
    return distinct.filter(lambda items: not all(item.negative for item in items)).map(
        lambda items: Vocabulary(tuple(items))
    )


@given(vocabularies())
def test_parse_inverts_str(vocabulary: Vocabulary) -> None:
    assert Vocabulary.parse(str(vocabulary)) == vocabulary


@given(vocabularies())
def test_yaml_gives_the_same_vocabulary_back(tmp_path_factory, vocabulary: Vocabulary) -> None:
    path = tmp_path_factory.mktemp("words") / "words.yaml"
    path.write_text(vocabulary.to_yaml(), encoding="utf-8")
    assert Vocabulary.read(path) == vocabulary


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    try:
        vocabulary = Vocabulary.parse(text)
    except VocabularyError:
        return
    assert Vocabulary.parse(str(vocabulary)) == vocabulary


def test_the_grammar_of_the_readme() -> None:
    vocabulary = Vocabulary.parse(
        "nucleus: cell nucleus, dark round nucleus; cytoplasm @0.4 #FFaa00\n-glass slide; "
    )
    assert vocabulary.concepts == (
        Concept("nucleus", ("cell nucleus", "dark round nucleus")),
        Concept("cytoplasm", threshold=0.4, colour=(255, 170, 0)),
        Concept("glass slide", negative=True),
    )
    assert vocabulary.labels == (1, 2)
    assert vocabulary.phrase_owners == (0, 0, 1, 2)


def test_a_name_alone_is_its_own_phrase() -> None:
    assert Vocabulary.parse("St. Bernard").concepts[0].phrases == ("St. Bernard",)


def test_quotes_keep_marks_as_text() -> None:
    concept = Vocabulary.parse(r'"a; b: \"c\"": "x, y", z').concepts[0]
    assert concept.name == 'a; b: "c"'
    assert concept.phrases == ("x, y", "z")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no words given"),
        (" ; \n ;", "no words given"),
        ("-sky", "nothing to label"),
        ("car; Car", "stands twice"),
        ("car @1.5", "out of range"),
        ("car @high", "out of range"),
        ("car @", "out of range"),
        ("car #12345", "not a colour"),
        ("car, sedan", "before any ':'"),
        ("car:", "no phrase after"),
        ("car: a: b", "stands twice"),
        ('"car', "not closed"),
        (": sedan", "needs a name"),
    ],
)
def test_bad_words_are_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(VocabularyError, match=said):
        Vocabulary.parse(text)


def test_too_many_concepts_are_refused_with_the_limit() -> None:
    with pytest.raises(VocabularyError, match="65534"):
        Vocabulary(tuple(Concept(f"concept {number}") for number in range(65_535)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("concepts: {", "not valid YAML"),
        ("words: [a]", "no list of concepts"),
        ("- 3", "a name or a table"),
        ("- {name: car, color: red}", "unknown key 'color'"),
        ("- {name: car, threshold: high}", "threshold must be a number"),
        ("- {name: 3}", "name must be a text"),
        ("- {name: car, phrases: [1]}", "phrases must be a list of texts"),
        ("- {name: car, negative: maybe}", "negative must be true or false"),
        ("- {name: car, colour: red}", "not a colour"),
    ],
)
def test_a_bad_yaml_file_is_refused_with_the_reason(tmp_path, text: str, said: str) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(text)
    with pytest.raises(VocabularyError, match=said):
        Vocabulary.read(path)


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(VocabularyError, match=r"words\.yaml"):
        Vocabulary.read(tmp_path / "words.yaml")


def test_competitors_leave_out_what_the_user_asks_for() -> None:
    vocabulary = Vocabulary.parse("car: sedan; Road").with_competitors(["road", "Sedan", "sky"])
    assert vocabulary.concepts[-1] == Concept("anything else", ("sky",), negative=True)
    assert vocabulary.labels == (1, 2)


def test_competitors_that_are_all_asked_for_change_nothing() -> None:
    vocabulary = Vocabulary.parse("sky")
    assert vocabulary.with_competitors(["SKY"]) == vocabulary


def test_competitors_do_not_take_the_name_of_a_concept() -> None:
    vocabulary = Vocabulary.parse("anything else").with_competitors(["sky"])
    assert len(set(vocabulary.names)) == 2


def test_neighbouring_colours_differ() -> None:
    colours = [colour_by_position(number) for number in range(60)]
    assert len(set(colours)) == 60
    for first, second in itertools.pairwise(colours):
        assert sum(abs(a - b) for a, b in zip(first, second, strict=True)) > 100
