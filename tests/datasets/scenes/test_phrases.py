from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg_annotate.datasets.scenes import (
    Attributes,
    SceneRules,
    draw_phrase,
    draw_scene,
    is_unseen,
    matches,
    name_of,
    phrase_saying,
    phrases_of,
)
from ovseg_annotate.datasets.scenes.words import (
    BACKGROUND,
    COLOURS,
    OBJECT,
    SHAPES,
    WORDS,
    Word,
    names_of,
)
from ovseg_annotate.errors import VocabularyError

RED_STRIPED_CIRCLE = Attributes("red", "circle", "striped")
GRASS = Attributes(thing="grass")
NUCLEUS = Attributes("purple", thing="nucleus")
BLUE_GROUND = Attributes("blue", texture="plain", thing="background")


@pytest.mark.parametrize(
    ("said", "region", "true"),
    [
        (Attributes(shape="circle"), RED_STRIPED_CIRCLE, True),
        (Attributes("red", "circle"), RED_STRIPED_CIRCLE, True),
        (Attributes("red", "circle", "dotted"), RED_STRIPED_CIRCLE, False),
        (Attributes("blue", "circle"), RED_STRIPED_CIRCLE, False),
        (Attributes("red", "star"), RED_STRIPED_CIRCLE, False),
        (Attributes("red", thing="object"), RED_STRIPED_CIRCLE, True),
        (Attributes("red"), RED_STRIPED_CIRCLE, True),
        (Attributes(thing="background"), RED_STRIPED_CIRCLE, False),
        (Attributes(thing="grass"), GRASS, True),
        (Attributes(thing="background"), GRASS, True),
        (Attributes(thing="object"), GRASS, False),
        (Attributes("green", thing="background"), GRASS, False),
        (Attributes(thing="nucleus"), NUCLEUS, True),
        (Attributes("purple", thing="nucleus"), NUCLEUS, True),
        (Attributes(thing="background"), NUCLEUS, False),
        (Attributes(thing="object"), NUCLEUS, False),
        (Attributes("blue", thing="background"), BLUE_GROUND, True),
        (Attributes("blue", "square"), BLUE_GROUND, False),
    ],
)
def test_a_phrase_is_true_when_all_it_says_is(
    said: Attributes, region: Attributes, *, true: bool
) -> None:
    assert matches(said, region) is true


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_drawn_phrase_is_true_of_its_region(seed: int) -> None:
    rng = np.random.Generator(np.random.PCG64(seed))
    for region in draw_scene(SceneRules(pairs="any"), seed).regions:
        phrase = draw_phrase(region.attributes, rng)
        assert matches(phrase.states, region.attributes)
        assert phrase.states != Attributes()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_training_texts_never_name_an_unseen_pair(seed: int) -> None:
    scene = draw_scene(SceneRules(pairs="seen"), seed)
    texts = [scene.caption]
    rng = np.random.Generator(np.random.PCG64(seed))
    texts += [phrases_of(region.attributes, rng) for region in scene.regions]
    for text in texts:
        for part in re.split(" and | on | in front of |,", text):
            # A part of the text speaks of one object: whatever it names, it names together.
            said = f" {part} "
            colours = [word.canonical for word in COLOURS if _says(said, word)]
            shapes = [word.canonical for word in SHAPES if _says(said, word)]
            assert not (len(colours) == len(shapes) == 1 and is_unseen(colours[0], shapes[0])), text


def _says(text: str, word: Word) -> bool:
    return any(f" {phrase} " in text for phrase in word.phrases)


@pytest.mark.parametrize("word", WORDS, ids=names_of(WORDS))
def test_every_synonym_is_used(word: Word, rng: np.random.Generator) -> None:
    kinds = {
        "colour": Attributes(colour=word.canonical),
        "shape": Attributes(shape=word.canonical),
        "texture": Attributes(texture=word.canonical),
    }
    stated = kinds.get(_kind(word), Attributes(thing=word.canonical))
    said = {phrase_saying(stated, rng) for _ in range(120)}
    assert set(word.phrases) <= said
    assert said <= {text for phrase in word.phrases for text in (phrase, f"{phrase} background")}


def _kind(word: Word) -> str:
    if word in COLOURS:
        return "colour"
    if word in SHAPES:
        return "shape"
    plain = word.canonical in ("plain", "striped", "dotted", "checkered", "noisy", "gradient")
    return "texture" if plain else "thing"


def test_all_levels_of_detail_occur(rng: np.random.Generator) -> None:
    said = {draw_phrase(RED_STRIPED_CIRCLE, rng).states for _ in range(300)}
    assert said == {
        Attributes(shape="circle"),
        Attributes("red", "circle"),
        Attributes("red", "circle", "striped"),
        Attributes(shape="circle", texture="striped"),
        Attributes("red", thing=OBJECT.canonical),
        Attributes(texture="striped", thing=OBJECT.canonical),
        Attributes("red", texture="striped", thing=OBJECT.canonical),
    }


def test_a_ground_is_also_called_background(rng: np.random.Generator) -> None:
    said = {draw_phrase(GRASS, rng).states.thing for _ in range(100)}
    assert said == {"grass", BACKGROUND.canonical}


def test_stripes_that_trail_stand_after_the_noun(rng: np.random.Generator) -> None:
    said = {phrase_saying(Attributes("red", "star", "striped"), rng) for _ in range(200)}
    assert "red star with stripes" in said
    assert not any("with stripes " in text for text in said)


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        (RED_STRIPED_CIRCLE, "red circle"),
        (GRASS, "grass"),
        (NUCLEUS, "nucleus"),
        (BLUE_GROUND, "blue background"),
    ],
)
def test_names_are_canonical(attributes: Attributes, name: str) -> None:
    assert name_of(attributes) == name


def test_a_region_that_is_nothing_has_no_name() -> None:
    with pytest.raises(VocabularyError, match="a shape or a thing"):
        name_of(Attributes(colour="red"))


def test_captions_stay_within_a_short_text() -> None:
    longest = max((draw_scene(SceneRules(), seed).caption for seed in range(200)), key=len)
    assert len(longest.replace(",", " ,").split()) <= 26, longest
