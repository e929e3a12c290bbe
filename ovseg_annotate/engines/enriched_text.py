"""Vectors of names moved towards vectors of what the named things look like.

T = normalise((1 - a) T_name + a T_described), a vector for each phrase, so that engines need not
know of it; a = 0 leaves the plain vectors as they are, to the bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ovseg_annotate.backbones.tower import Clip
from ovseg_annotate.descriptions.chain import Chain, digest_of, open_chain
from ovseg_annotate.descriptions.options import EnrichOptions
from ovseg_annotate.descriptions.prompts import ConceptPrompt
from ovseg_annotate.descriptions.sentences import Reader, sentences_of
from ovseg_annotate.descriptions.weights import ConceptWeights, read_weights
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.text.encoder import PhraseEncoder, WordEncoder, Wording, plain_words
from ovseg_annotate.text.templates import PLAIN
from ovseg_annotate.vocabulary import Concept, Vocabulary

# The plain encoder of an engine and a vocabulary to what the engine reads.
Words: TypeAlias = Callable[[WordEncoder, Vocabulary], TextBank]


def words_of(
    clip: Clip,
    options: EnrichOptions,
    cache: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    *,
    offline: bool = False,
) -> Words:
    """The plain way to read words, or the enriched one; files and environment are read here."""
    if options.is_off:
        return plain_words
    weights = ConceptWeights()
    if options.weights is not None:
        weights = read_weights(Path(options.weights).expanduser())
    chain = open_chain(options, environment, cache, offline=offline)
    return EnrichedWords(clip, options, chain, weights).bank


class EnrichedWords:
    """Describes phrases, puts the descriptions into sentences, and mixes their vectors in."""

    def __init__(
        self, clip: Clip, options: EnrichOptions, chain: Chain, weights: ConceptWeights
    ) -> None:
        self._options = options
        self._chain = chain
        self._weights = weights
        tower = clip.text
        self._reader = Reader(tower.longest_phrase, tower.token_count, clip.card.known_words)
        self._sentences = PhraseEncoder(tower, Wording(clip.card.weights_digest, PLAIN))

    def bank(self, phrases: WordEncoder, vocabulary: Vocabulary) -> TextBank:
        plain = phrases.bank(vocabulary)
        described = self._chain.describe(vocabulary.phrases)
        said = tuple(
            () if prompt is None else sentences_of(prompt, self._options, self._reader)
            for prompt in described.prompts
        )
        return replace(
            plain,
            embeddings=self._mixed(plain, said),
            wording=self._told(described.prompts),
            warnings=(*plain.warnings, *described.warnings),
        )

    def _mixed(self, plain: TextBank, said: Sequence[tuple[str, ...]]) -> Tensor:
        weights = self._weights_of(plain.vocabulary)
        places = [
            place for place, own in enumerate(said) if own and weights[place] > 0
        ]  # the others stay as they are, to the bit
        if not places:
            return plain.embeddings
        vectors = self._described([said[place] for place in places])
        shares = torch.tensor([weights[place] for place in places])[:, None]
        mixed = plain.embeddings.clone()
        mixed[places] = normalize((1 - shares) * mixed[places] + shares * vectors, dim=1)
        return mixed

    def _described(self, said: Sequence[tuple[str, ...]]) -> Tensor:
        """(phrases, width), unit length: the mean of each one's sentences."""
        concepts = (Concept(f"phrase {place}", own) for place, own in enumerate(said))
        bank = self._sentences.bank(Vocabulary(tuple(concepts)))
        owners = torch.tensor(bank.vocabulary.phrase_owners)
        total = bank.embeddings.new_zeros(len(said), bank.embeddings.shape[1])
        return normalize(total.index_add_(0, owners, bank.embeddings), dim=1)

    def _weights_of(self, vocabulary: Vocabulary) -> list[float]:
        concepts, otherwise = vocabulary.concepts, self._options.weight
        return [
            self._weights.of(concepts[owner].name, otherwise) for owner in vocabulary.phrase_owners
        ]

    def _told(self, prompts: Sequence[ConceptPrompt | None]) -> str:
        """For provenance: who was asked, what came of it, and what counted otherwise."""
        told = f"descriptions={digest_of(prompts)} from {self._chain.digest}"
        return f"{told} weights={self._weights.digest}" if self._weights.weights else told
