"""The bundled descriptions and how names find theirs."""

from __future__ import annotations

import pytest
from descriptions.published_names import ADE_150, COCO_80, MICROSCOPY, STUFF_91
from hypothesis import given
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer

from ovseg_annotate.backbones.tokens import BytePairs
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.datasets.cityscapes import CITYSCAPES_19
from ovseg_annotate.datasets.pascal_context import CONTEXT_59, spelled_out
from ovseg_annotate.datasets.scenes.words import MATERIALS, MICRO_GROUNDS, MICRO_THINGS, SHAPES
from ovseg_annotate.datasets.voc import VOC_20
from ovseg_annotate.descriptions.lexicon import Lexicon, bundled_lexicon
from ovseg_annotate.descriptions.options import EnrichOptions
from ovseg_annotate.descriptions.prompts import GROUPS, ConceptPrompt, Source, repeats
from ovseg_annotate.descriptions.sentences import CLIP_TOKENS, Reader, sentences_of
from ovseg_annotate.errors import VocabularyError

PASCAL = tuple(dict.fromkeys((*VOC_20, *CONTEXT_59)))
GENERATED = tuple(
    phrase
    for word in (*SHAPES, *MATERIALS, *MICRO_THINGS, *MICRO_GROUNDS)
    for phrase in word.phrases
)
EVERY_SENTENCE = EnrichOptions(source="lexicon", sentences="both")


def every_name() -> list[str]:
    return [name for entry in bundled_lexicon().entries for name in (entry.name, *entry.synonyms)]


class TestCoverage:
    @pytest.mark.parametrize(
        "names",
        [
            PASCAL,
            tuple(spelled_out(name).phrases[0] for name in PASCAL),
            tuple(CITYSCAPES_19.values()),
            COCO_80,
            STUFF_91,
            ADE_150,
            MICROSCOPY,
            GENERATED,
        ],
        ids=["pascal", "spelled", "cityscapes", "coco", "stuff", "ade", "microscopy", "generated"],
    )
    def test_every_name_of_the_list_is_described(self, names: tuple[str, ...]) -> None:
        assert [name for name in names if bundled_lexicon().find(name) is None] == []

    def test_the_lists_are_whole(self) -> None:
        assert (len(set(COCO_80)), len(set(STUFF_91)), len(set(ADE_150))) == (80, 91, 150)


class TestEntries:
    def test_no_phrase_repeats_the_name(self) -> None:
        repeated = [
            (entry.name, phrase)
            for entry in bundled_lexicon().entries
            for group in GROUPS
            for phrase in entry.phrases(group)
            if repeats(phrase, entry.name)
        ]
        assert repeated == []

    def test_every_entry_has_all_groups_but_may_lack_a_colour(self) -> None:
        lacking = [
            entry.name
            for entry in bundled_lexicon().entries
            if not (entry.shape_size and entry.texture_material)
        ]
        assert lacking == []

    def test_every_sentence_fits_the_context_of_clip(self) -> None:
        tokens = BytePairs(SimpleTokenizer())
        reader = Reader(CLIP_TOKENS, lambda text: len(tokens.ids(text)))
        for name in every_name():
            prompt = bundled_lexicon().find(name)
            assert prompt is not None
            said = sentences_of(prompt, EVERY_SENTENCE, reader)
            assert said, name
            assert all(reader.count(sentence) <= CLIP_TOKENS for sentence in said)

    def test_every_sentence_fits_the_bundled_tower_and_its_words(self) -> None:
        clip = load_clip("mini")
        card, tower = clip.card, clip.text
        reader = Reader(tower.longest_phrase, tower.token_count, card.known_words)
        spoken = 0
        for name in every_name():
            prompt = bundled_lexicon().find(name)
            assert prompt is not None
            said = sentences_of(prompt, EVERY_SENTENCE, reader)
            spoken += bool(said)
            assert all(reader.count(sentence) <= 20 for sentence in said)
        assert spoken > 20

    def test_nothing_is_said_in_a_name_of_two_entries(self) -> None:
        names = [entry.name for entry in bundled_lexicon().entries]
        assert len(set(names)) == len(names)


class TestFinding:
    def test_case_plural_article_and_hyphen_make_no_difference(self) -> None:
        lexicon = bundled_lexicon()
        told = {lexicon.find(name) is not None for name in ("Zebra", "zebras", "a zebra", "ZEBRA ")}
        assert told == {True}
        assert lexicon.find("sky-other") == _named(lexicon.find("sky"), "sky-other")

    def test_the_answer_has_the_name_that_was_asked_for(self) -> None:
        found = bundled_lexicon().find("Leather Sofas")
        assert found is not None
        assert found.name == "Leather Sofas"
        assert found.source is Source.LEXICON

    def test_a_synonym_finds_the_entry(self) -> None:
        lexicon = bundled_lexicon()
        assert lexicon.find("lorry") == _named(lexicon.find("truck"), "lorry")

    def test_a_name_of_its_own_counts_more_than_a_synonym(self) -> None:
        palm = ConceptPrompt("hand", shape_size=("flat",), synonyms=("palm",))
        tree = ConceptPrompt("palm", colour=("green",))
        found = Lexicon([palm, tree]).find("palm")
        assert found is not None
        assert found.colour == ("green",)

    def test_the_noun_is_found_behind_words_nobody_knows(self) -> None:
        lexicon = bundled_lexicon()
        chair, bare = lexicon.find("grandmother's wooden chair"), lexicon.find("chair")
        assert chair is not None
        assert bare is not None
        assert chair.colour == bare.colour

    def test_a_material_in_the_name_takes_the_place_of_ours(self) -> None:
        found = bundled_lexicon().find("wooden chair")
        assert found is not None
        assert found.texture_material == ("wooden",)

    def test_a_colour_in_the_name_takes_the_place_of_ours(self) -> None:
        found = bundled_lexicon().find("red car")
        assert found is not None
        assert found.colour == ("red",)

    def test_what_stands_before_of_is_the_thing(self) -> None:
        lexicon = bundled_lexicon()
        found, bowl = lexicon.find("a bowl of fruit"), lexicon.find("bowl")
        assert found is not None
        assert bowl is not None
        assert found.colour == bowl.colour
        assert "fruit" in found.shape_size

    @given(st.text("xyzqjw ", min_size=1).filter(str.strip))
    def test_what_nobody_knows_is_not_described(self, name: str) -> None:
        assert bundled_lexicon().find(name) is None

    @given(st.sampled_from(["zebra", "fire hydrant", "nucleus"]), st.text("klm ", max_size=12))
    def test_words_before_the_noun_never_hide_it(self, noun: str, before: str) -> None:
        assert bundled_lexicon().find(f"{before} {noun}") is not None

    def test_two_entries_of_one_name_are_refused(self) -> None:
        entry = ConceptPrompt("nucleus", colour=("blue",))
        with pytest.raises(VocabularyError, match="'Nucleus' is described twice"):
            Lexicon([entry, _named(entry, "Nucleus")])

    def test_the_digest_tells_two_lexicons_apart(self) -> None:
        one = Lexicon([ConceptPrompt("nucleus", colour=("blue",))])
        other = Lexicon([ConceptPrompt("nucleus", colour=("red",))])
        assert one.digest != other.digest


def _named(prompt: ConceptPrompt | None, name: str) -> ConceptPrompt:
    assert prompt is not None
    return ConceptPrompt(
        name,
        prompt.colour,
        prompt.shape_size,
        prompt.texture_material,
        prompt.synonyms,
        prompt.source,
        prompt.version,
    )
