"""Sentences of descriptions, for towers that read much and towers that read little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.descriptions.options import EnrichOptions
from ovseg_annotate.descriptions.prompts import ConceptPrompt, Source, repeats
from ovseg_annotate.descriptions.sentences import Reader, sentences_of
from ovseg_annotate.errors import OptionError, VocabularyError

CHAIR = ConceptPrompt("chair", ("brown", "black"), ("seat with a back",), ("wood", "cloth"))


def words(text: str) -> int:
    return len(text.split()) + 2  # start and end marks


LONG = Reader(77, words)


class TestWhole:
    def test_all_groups_stand_in_one_sentence(self) -> None:
        assert sentences_of(CHAIR, EnrichOptions(), LONG) == (
            "A photo of a chair, which is brown, black, seat with a back, with wood and cloth.",
        )

    def test_empty_groups_are_skipped(self) -> None:
        only = ConceptPrompt("apple", texture_material=("smooth skin",))
        assert sentences_of(only, EnrichOptions(), LONG) == (
            "A photo of an apple, with smooth skin.",
        )

    def test_what_repeats_the_name_is_left_out(self) -> None:
        red = ConceptPrompt("red wooden chairs", ("red",), ("tall",), ("wooden",))
        assert sentences_of(red, EnrichOptions(), LONG) == (
            "A photo of a red wooden chairs, which is tall.",
        )

    def test_nothing_left_to_say_is_nothing(self) -> None:
        assert sentences_of(ConceptPrompt("red", ("red",)), EnrichOptions(), LONG) == ()

    def test_single_groups_and_single_sentences(self) -> None:
        one = EnrichOptions(groups="texture_material")
        assert sentences_of(CHAIR, one, LONG) == ("A photo of a chair, with wood and cloth.",)
        both = EnrichOptions(sentences="both")
        assert len(sentences_of(CHAIR, both, LONG)) == 4
        assert len(sentences_of(CHAIR, EnrichOptions(sentences="single"), LONG)) == 3


class TestSmallTowers:
    def test_a_short_context_drops_phrases_until_it_fits(self) -> None:
        short = Reader(12, words)
        assert sentences_of(CHAIR, EnrichOptions(), short) == (
            "A photo of a chair, which is brown.",
        )

    def test_a_context_too_short_for_anything_says_nothing(self) -> None:
        assert sentences_of(CHAIR, EnrichOptions(), Reader(4, words)) == ()

    def test_unknown_words_are_not_said(self) -> None:
        few = Reader(20, words, known_words=("chair", "brown", "wood"))
        assert sentences_of(CHAIR, EnrichOptions(), few) == ("chair, brown, wood",)

    @given(
        st.lists(
            st.lists(st.text("abcdef ", min_size=1).filter(str.strip), max_size=4), min_size=3
        ),
        st.integers(3, 77),
    )
    def test_no_sentence_is_longer_than_the_tower_reads(
        self, groups: list[list[str]], longest: int
    ) -> None:
        prompt = ConceptPrompt("gate", *map(tuple, groups[:3]), source=Source.LEXICON)  # type: ignore[arg-type]
        for sentence in sentences_of(
            prompt, EnrichOptions(sentences="both"), Reader(longest, words)
        ):
            assert words(sentence) <= longest


class TestWhatIsRefused:
    def test_a_description_of_a_person_that_clip_cannot_read_whole(self) -> None:
        phrases = tuple("abcdefgh"[:8][k] + " b c d e f g h" for k in range(4))
        long = ConceptPrompt("gate", phrases, phrases, phrases, source=Source.FILE)
        with pytest.raises(VocabularyError, match=r"'gate' makes a sentence of 1\d\d tokens.* 77"):
            sentences_of(long, EnrichOptions(), LONG)

    def test_a_weight_beyond_one(self) -> None:
        with pytest.raises(OptionError, match="'weight': got 2; allowed: 0 to 1"):
            EnrichOptions(weight=2)


class TestRepeating:
    @pytest.mark.parametrize(
        ("phrase", "name", "says_it_again"),
        [
            ("round windows", "window", True),
            ("flat and wide", "window", False),
            ("of the thing", "of a cell", False),
        ],
    )
    def test_plurals_count_and_small_words_do_not(
        self, phrase: str, name: str, says_it_again: bool
    ) -> None:
        assert repeats(phrase, name) == says_it_again
