from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_plugin.concept_table import ConceptTable
from ovseg_annotate.errors import OptionError, VocabularyError
from ovseg_annotate.vocabulary import Vocabulary

WORDS = "nucleus: cell nucleus, dark spot; cytoplasm @0.4; -glass slide"


def table(text: str = WORDS) -> ConceptTable:
    made = ConceptTable()
    made.add(text)
    return made


def names(made: ConceptTable) -> list[str]:
    return [row.concept.name for row in made.rows]


def test_what_is_typed_becomes_the_words_of_a_run() -> None:
    assert table().vocabulary == Vocabulary.parse(WORDS)


def test_typing_more_keeps_what_is_there() -> None:
    made = table("red")
    made.add("green; -blue")
    assert str(made.vocabulary) == "red; green; -blue"


@pytest.mark.parametrize("text", ["", "  ", "nucleus", "a @2", 'a "b'])
def test_what_cannot_be_is_refused_and_changes_nothing(text: str) -> None:
    made = table()
    with pytest.raises(VocabularyError):
        made.add(text)
    assert made.vocabulary == Vocabulary.parse(WORDS)


def test_an_empty_table_says_what_to_do() -> None:
    with pytest.raises(VocabularyError, match="press Enter"):
        _ = ConceptTable().vocabulary


def test_the_last_concept_to_label_cannot_be_removed_before_the_negative_ones() -> None:
    made = table("red; -blue")
    with pytest.raises(VocabularyError, match="nothing to label"):
        made.remove(0)
    assert names(made) == ["red", "blue"]


def test_removing_the_only_row_empties_the_table() -> None:
    made = table("red")
    made.remove(0)
    assert len(made) == 0
    assert made.colours == ()


def test_a_removed_row_moves_the_labels_behind_it_up() -> None:
    made = table("a; b; c")
    told: list[tuple[int, ...]] = []
    made.relabelled.connect(told.append)
    made.remove(1)
    assert told == [(0, 1, 0, 2)]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-5, 5)), max_size=8))
def test_a_concept_keeps_its_colour_wherever_it_moves(moves: list[tuple[int, int]]) -> None:
    made = table("a; b; c; d; e")
    before = dict(zip(names(made), made.colours, strict=True))
    label_of = {name: label for label, name in enumerate(names(made), start=1)}

    def follow(moved: tuple[int, ...]) -> None:
        for name, label in label_of.items():
            label_of[name] = moved[label]

    made.relabelled.connect(follow)
    for row, step in moves:
        made.move(row, step)
    assert dict(zip(names(made), made.colours, strict=True)) == before
    assert [label_of[name] for name in names(made)] == [1, 2, 3, 4, 5]


def test_a_new_name_keeps_the_phrases() -> None:
    made = table()
    made.set_heading(0, "-core @0.3")
    concept = made.rows[0].concept
    assert (concept.name, concept.negative, concept.threshold) == ("core", True, 0.3)
    assert concept.phrases == ("cell nucleus", "dark spot")


def test_a_name_that_is_its_own_phrase_stays_so() -> None:
    made = table("red")
    made.set_heading(0, "green")
    assert made.rows[0].concept.phrases == ("green",)


def test_a_heading_reads_back_as_it_is_written() -> None:
    made = table('"a;b" @0.25; -c')
    before = made.vocabulary
    for number, row in enumerate(made.rows):
        made.set_heading(number, row.heading)
        made.set_phrases(number, row.phrases_text)
    assert made.vocabulary == before


def test_two_concepts_do_not_fit_one_row() -> None:
    made = table()
    with pytest.raises(VocabularyError, match="one concept in a row"):
        made.set_heading(0, "a; b")


def test_no_phrases_make_the_name_its_own_phrase() -> None:
    made = table()
    made.set_phrases(0, "  ")
    assert made.rows[0].concept.phrases == ("nucleus",)


@pytest.mark.parametrize("suffix", [".yaml", ".txt"])
def test_words_written_to_a_file_read_back_equal(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"words{suffix}"
    table().write(path)
    other = ConceptTable()
    other.read(path)
    assert other.vocabulary == Vocabulary.parse(WORDS)
    assert Vocabulary.read(path) == Vocabulary.parse(WORDS)


def test_an_imported_list_keeps_the_labels_of_concepts_that_stay(tmp_path: Path) -> None:
    made = table("a; b; c")
    told: list[tuple[int, ...]] = []
    made.relabelled.connect(told.append)
    made.replace_all(Vocabulary.parse("c; new; a"))
    assert told == [(0, 3, 0, 1)]


def test_a_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="cannot write"):
        table().write(tmp_path / "file" / "words.yaml")


def test_looks_are_no_change_of_words() -> None:
    made = table()
    told: list[str] = []
    made.words_changed.connect(lambda: told.append("words"))
    made.looks_changed.connect(lambda: told.append("looks"))
    made.set_visible(0, visible=False)
    made.set_locked(1, locked=True)
    made.set_colour(2, (1, 2, 3))
    assert told == ["looks", "looks", "looks"]
    assert (made.hidden_labels, made.locked_labels) == ({1}, {2})
