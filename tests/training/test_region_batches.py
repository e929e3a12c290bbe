from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ovseg_annotate.datasets.scenes import draw_scene
from ovseg_annotate.datasets.scenes.pairs import is_unseen
from ovseg_annotate.datasets.scenes.scene import Attributes, SceneRules
from ovseg_annotate.datasets.scenes.words import COLOURS, SHAPES
from ovseg_annotate.training.region_batches import (
    WORD_KINDS,
    PhraseRules,
    RegionBatch,
    assemble,
)
from ovseg_annotate.training.samples import Sample, whole_sample

RED_CIRCLE = Attributes(colour="red", shape="circle", texture="plain")
BLUE_STAR = Attributes(colour="blue", shape="star", texture="striped")
GRASS = Attributes(thing="grass")


class Remembering:
    """A tokenizer that keeps the texts and counts them up."""

    def __init__(self) -> None:
        self.texts: list[list[str]] = []

    def __call__(self, texts: list[str]) -> Tensor:
        self.texts.append(texts)
        return torch.arange(len(texts))[:, None]


def sample(attributes: Sequence[Attributes]) -> Sample:
    regions = np.zeros((16, 16), np.int64)
    for number in range(1, len(attributes)):
        regions[:8, 8 * (number - 1) : 8 * number] = number
    return Sample(np.zeros((16, 16, 3), np.uint8), regions, tuple(attributes), "a caption")


def batch_of(*samples: Sample, seed: int = 0) -> tuple[RegionBatch, Remembering]:
    tokenizer = Remembering()
    rng = np.random.default_rng(seed)
    return assemble(samples, tokenizer, 8, PhraseRules(20, 10), rng), tokenizer


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_the_own_phrase_is_never_false_of_its_region(seed: int) -> None:
    batch, _ = batch_of(sample([GRASS, RED_CIRCLE, BLUE_STAR]), seed=seed)
    said = batch.statements
    assert not said.false[torch.arange(3), said.own].any()


def test_what_one_region_is_is_false_of_another() -> None:
    batch, _ = batch_of(sample([GRASS, RED_CIRCLE]), sample([GRASS, BLUE_STAR]))
    false, own = batch.statements.false, batch.statements.own
    assert not false[2, own[0]]  # the second grass is grass, whatever was said of the first
    assert false[0, own[1]]
    assert false[3, own[0]]


def test_no_colour_is_held_against_a_region_that_shows_none() -> None:
    grey_star = Attributes(shape="star", texture="plain")
    grey_ground = Attributes(thing="background")
    blue_ground = Attributes(colour="blue", thing="background")
    batch, tokenizer = batch_of(
        *(sample([grey_ground, grey_star]), sample([blue_ground, BLUE_STAR, RED_CIRCLE])), seed=3
    )
    texts, false = tokenizer.texts[0], batch.statements.false
    for column, text in enumerate(texts):
        words = set(re.findall(r"[a-z]+", text))
        if words == {"blue", "star"}:
            assert not false[1, column]
        if words == {"red", "circle"}:
            assert false[1, column]
        if words == {"blue", "background"}:
            assert not false[0, column]
    assert batch.groups[0].statements.own[:2].tolist() == [-1, -1]
    assert {"blue star", "red circle"} & {" ".join(sorted(text.split())) for text in texts}


def test_a_word_group_names_the_word_that_applies_and_minus_one_where_none_does() -> None:
    batch, tokenizer = batch_of(sample([GRASS, RED_CIRCLE]))
    spoken = tokenizer.texts[1]
    assert len(spoken) == sum(len(kind) for kind in WORD_KINDS)
    for group, kind, wanted in zip(
        batch.groups, WORD_KINDS, ("red", "circle", "plain", "grass"), strict=True
    ):
        own = group.statements.own.tolist()
        names = [word.canonical for word in kind]
        assert [names[number] for number in own if number >= 0] == [wanted]
        assert spoken[group.first + max(own)] in kind[max(own)].phrases


@given(st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_no_word_is_held_against_a_region_that_makes_an_unseen_pair_of_it(seed: int) -> None:
    scene = draw_scene(SceneRules(), seed)
    picture = whole_sample(scene)
    batch, _ = batch_of(picture, seed=seed)
    colours, shapes = batch.groups[0].statements.false, batch.groups[1].statements.false
    for number, region in enumerate(picture.attributes):
        if region.colour is None or region.shape is None:
            continue
        for column, shape in enumerate(SHAPES):
            assert shapes[number, column] != is_unseen(region.colour, shape.canonical)
        for column, colour in enumerate(COLOURS):
            assert colours[number, column] != is_unseen(colour.canonical, region.shape)


def test_what_a_phrase_says_is_named_word_by_word() -> None:
    batch, tokenizer = batch_of(sample([RED_CIRCLE]))
    shapes = batch.said[1].statements.own.tolist()
    assert len(shapes) == len(tokenizer.texts[0])
    for text, number in zip(tokenizer.texts[0], shapes, strict=True):
        says = [any(text.endswith(phrase) for phrase in word.phrases) for word in WORD_KINDS[1]]
        if number >= 0 and " with " not in text:
            assert says[number], text


@given(st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_negatives_never_speak_of_unseen_pairs(seed: int) -> None:
    scene = draw_scene(SceneRules(), seed)
    _, tokenizer = batch_of(whole_sample(scene), seed=seed)
    for text in tokenizer.texts[0]:
        for colour in COLOURS:
            for shape in SHAPES:
                if is_unseen(colour.canonical, shape.canonical):
                    pair = rf"\b{colour.canonical} {shape.canonical}( with|$)"
                    assert re.search(pair, text) is None


def test_rows_cover_every_patch_of_every_picture_fully() -> None:
    one = sample([GRASS, RED_CIRCLE, BLUE_STAR])
    batch, _ = batch_of(one, one)
    assert sorted(batch.rows.patch.tolist()) == list(range(8))
    area = {0: 2.0, 1: 1.0, 2: 1.0}  # patches a region covers
    for region, weight in zip(batch.rows.region.tolist(), batch.rows.weight.tolist(), strict=True):
        assert weight == pytest.approx(area[region % 3] ** -0.5)
