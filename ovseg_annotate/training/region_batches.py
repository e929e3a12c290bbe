"""Batches of pictures with phrases for their regions: a pure function of (seed, number)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ovseg_annotate.datasets.scenes.pairs import is_unseen
from ovseg_annotate.datasets.scenes.phrases import (
    Phrase,
    draw_phrase,
    matches,
    phrase_saying,
)
from ovseg_annotate.datasets.scenes.scene import Attributes
from ovseg_annotate.datasets.scenes.words import (
    BACKGROUND,
    COLOURS,
    GROUNDS,
    MATERIALS,
    MICRO_GROUNDS,
    MICRO_THINGS,
    SHAPES,
    TEXTURES,
    Word,
    names_of,
)
from ovseg_annotate.training.dense_paths import Corner
from ovseg_annotate.training.losses import PatchRows, RegionStatements
from ovseg_annotate.training.samples import Sample, patch_coverage

_COLOURS, _SHAPES = names_of(COLOURS), names_of(SHAPES)
_THINGS: tuple[Word, ...] = (*MATERIALS, *MICRO_THINGS, *MICRO_GROUNDS)
# The kinds of words that exclude one another; each word stands for itself in its kind.
WORD_KINDS: tuple[tuple[Word, ...], ...] = (COLOURS, SHAPES, TEXTURES, _THINGS)
_FIELDS = ("colour", "shape", "texture", "thing")  # of Attributes, in the order of the kinds
_FRAMES = ("a {}", "the {}", "a photo of a {}", "a picture of a {}")
_FRAMED_SHARE = 0.2


class Tokenizer(Protocol):
    def __call__(self, texts: list[str]) -> Tensor: ...


@dataclass(frozen=True, slots=True, eq=False)
class WordGroup:
    """A column range of the word bank, and what of it is true and false of each region."""

    first: int
    last: int  # exclusive
    statements: RegionStatements  # the columns count from the first one

    def on(self, device: torch.device) -> WordGroup:
        return replace(self, statements=self.statements.on(device))


@dataclass(frozen=True, slots=True, eq=False)
class RegionBatch:
    pictures: Tensor  # (pictures, 3, side, side) uint8
    rows: PatchRows
    phrases: Tensor  # (phrases, context) token ids
    statements: RegionStatements
    words: Tensor  # (words, context) token ids: one way to say each word of WORD_KINDS
    groups: tuple[WordGroup, ...]
    captions: Tensor  # (pictures, context) token ids
    said: tuple[WordGroup, ...]  # like `groups`, but for the phrases
    corner: Corner = (0, 0)  # where in the tower's own size the pictures lie

    def on(self, device: torch.device) -> RegionBatch:
        return RegionBatch(
            pictures=self.pictures.to(device),
            rows=self.rows.on(device),
            phrases=self.phrases.to(device),
            statements=self.statements.on(device),
            words=self.words.to(device),
            groups=tuple(group.on(device) for group in self.groups),
            captions=self.captions.to(device),
            said=tuple(group.on(device) for group in self.said),
            corner=self.corner,
        )


@dataclass(frozen=True, slots=True)
class PhraseRules:
    hard_negatives: int = 32  # same colour and other shape, or same shape and other colour
    random_negatives: int = 16


def assemble(
    samples: Sequence[Sample],
    tokenizer: Tokenizer,
    patch_size: int,
    rules: PhraseRules,
    rng: np.random.Generator,
) -> RegionBatch:
    """Draw phrases for all regions of all samples and work out which is true of which."""
    attributes = [one for sample in samples for one in sample.attributes]
    own = [_framed(draw_phrase(one, rng), rng) for one in attributes]
    pool = {phrase.text: phrase for phrase in (*own, *_negatives(attributes, rules, rng))}
    index = {text: number for number, text in enumerate(pool)}
    phrases = list(pool.values())
    words = [_one_way_to_say(word, rng) for kind in WORD_KINDS for word in kind]
    stacked = np.stack([sample.pixels for sample in samples])
    return RegionBatch(
        pictures=torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous(),
        rows=_patch_rows(samples, patch_size),
        phrases=tokenizer(list(pool)),
        statements=RegionStatements(
            own=torch.tensor([index[phrase.text] for phrase in own]),
            false=_falsehoods(attributes, phrases),
        ),
        words=tokenizer(words),
        groups=_word_groups(attributes),
        captions=tokenizer([sample.caption for sample in samples]),
        said=_word_groups([phrase.states for phrase in phrases]),
    )


def _falsehoods(attributes: Sequence[Attributes], phrases: Sequence[Phrase]) -> Tensor:
    """`(regions, phrases)`: the phrase is not true of the region, and that can be held against it.

    No red circle is ever shown, so "circle" is false of every red region: told that, a network
    learns to read shapes off colours and can never find a red circle. Such phrases take no part.
    """
    distinct = list(dict.fromkeys(attributes))
    table = {
        one: [
            not matches(_as_far_as_seen(phrase.states, one), one)
            and not _never_shown_together(phrase.states, one)
            for phrase in phrases
        ]
        for one in distinct
    }
    return torch.tensor([table[one] for one in attributes])


def _as_far_as_seen(said: Attributes, region: Attributes) -> Attributes:
    """Without the colour where none can be seen: a grey picture's star may well be red."""
    told_by_itself = region.thing in GROUNDS and region.thing != BACKGROUND.canonical
    if said.colour is None or region.colour is not None or told_by_itself:
        return said
    return replace(said, colour=None)


def _never_shown_together(said: Attributes, region: Attributes) -> bool:
    if region.shape is None:  # a ground may be red without being a pair
        return False
    unseen = _unseen_pairs()
    return (region.colour, said.shape) in unseen or (said.colour, region.shape) in unseen


@cache
def _unseen_pairs() -> frozenset[tuple[str | None, str | None]]:
    return frozenset(
        (colour, shape) for colour in _COLOURS for shape in _SHAPES if is_unseen(colour, shape)
    )


def _patch_rows(samples: Sequence[Sample], patch_size: int) -> PatchRows:
    patches, regions, weights = [], [], []
    first_patch = first_region = 0
    for sample in samples:
        count = len(sample.attributes)
        covered = patch_coverage(sample.regions, count, patch_size)
        area = covered.sum(axis=0)
        patch, region = covered.nonzero()
        patches.append(patch + first_patch)
        regions.append(region + first_region)
        weights.append(covered[patch, region] * np.maximum(area[region], 0.25) ** -0.5)
        first_patch += len(covered)
        first_region += count
    return PatchRows(
        patch=torch.from_numpy(np.concatenate(patches)),
        region=torch.from_numpy(np.concatenate(regions)),
        weight=torch.from_numpy(np.concatenate(weights).astype(np.float32)),
    )


def _negatives(
    attributes: Sequence[Attributes], rules: PhraseRules, rng: np.random.Generator
) -> list[Phrase]:
    """Phrases near to what is there, and a few at random; never an unseen pair."""
    objects = [one for one in attributes if one.shape is not None and one.colour is not None]
    drawn = []
    for number in range(rules.hard_negatives if objects else 0):
        near = objects[int(rng.integers(len(objects)))]
        keep_colour = number % 2 == 0
        drawn.append(
            Attributes(
                colour=near.colour if keep_colour else _any_of(_COLOURS, rng),
                shape=_any_of(_SHAPES, rng) if keep_colour else near.shape,
            )
        )
    for number in range(rules.random_negatives):
        if number % 2:
            drawn.append(Attributes(thing=_any_of(names_of(_THINGS), rng)))
        else:
            drawn.append(Attributes(colour=_any_of(_COLOURS, rng), shape=_any_of(_SHAPES, rng)))
    return [
        _framed(Phrase(phrase_saying(states, rng), states), rng)
        for states in drawn
        if states.colour is None
        or states.shape is None
        or not is_unseen(states.colour, states.shape)
    ]


def _word_groups(attributes: Sequence[Attributes]) -> tuple[WordGroup, ...]:
    groups = []
    first = 0
    for field, kind in zip(_FIELDS, WORD_KINDS, strict=True):
        place = {word.canonical: number for number, word in enumerate(kind)}
        own = [place.get(getattr(one, field), -1) for one in attributes]
        alone = [Attributes(**{field: word.canonical}) for word in kind]
        false = [[not _never_shown_together(said, one) for said in alone] for one in attributes]
        statements = RegionStatements(torch.tensor(own), torch.tensor(false))
        groups.append(WordGroup(first, first + len(kind), statements))
        first += len(kind)
    return tuple(groups)


def _one_way_to_say(word: Word, rng: np.random.Generator) -> str:
    if rng.random() < 0.5:
        return word.canonical
    return _any_of(word.phrases, rng)


def _framed(phrase: Phrase, rng: np.random.Generator) -> Phrase:
    """Now and then as a template or a person would have it."""
    if rng.random() >= _FRAMED_SHARE:
        return phrase
    return Phrase(_any_of(_FRAMES, rng).format(phrase.text), phrase.states)


def _any_of(words: Sequence[str], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]
