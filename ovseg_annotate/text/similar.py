"""Concepts that a text tower can hardly tell apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ovseg_annotate.text.bank import TextBank

# Rare within a list of 1203 everyday names (16 pairs), yet it fires on true synonyms such as
# "cushion" and "pillow"; at 0.93 one name in nine has such a neighbour.
NEAR_DUPLICATE = 0.95

_ROWS = 512  # phrases compared with all others at once
_PAIRS = 1000  # of phrases looked at for each of these pieces, the most alike first


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Two concepts whose closest phrases mean almost the same to the tower."""

    first: int  # number of the concept in the vocabulary
    second: int  # of the other one; larger
    first_phrase: str
    second_phrase: str
    cosine: float


def near_duplicates(
    text: TextBank, least: float = NEAR_DUPLICATE, rows: int = _ROWS
) -> tuple[NearDuplicate, ...]:
    """Pairs of concepts with a phrase each at that cosine or above; the most alike first.

    Among thousands of concepts of a tower that finds everything alike, only the most alike.
    """
    vectors = text.embeddings.float()
    numbers = text.vocabulary.phrase_owners
    owners = torch.tensor(numbers, device=vectors.device)
    phrases = text.vocabulary.phrases
    found: dict[tuple[int, int], NearDuplicate] = {}
    for start in range(0, len(phrases), rows):
        cosines = vectors[start : start + rows] @ vectors.T
        # Owners rise along the phrases, so a larger owner is a later concept.
        later = owners[None, :] > owners[start : start + rows, None]
        pairs = cosines.masked_fill(~later, -1).flatten()
        best = pairs.topk(min(_PAIRS, len(pairs)))
        for cosine, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            one, other = start + place // len(phrases), place % len(phrases)
            pair = (numbers[one], numbers[other])
            known = found.get(pair)
            if cosine >= least and (known is None or known.cosine < cosine):
                found[pair] = NearDuplicate(*pair, phrases[one], phrases[other], min(cosine, 1.0))
    return tuple(sorted(found.values(), key=lambda pair: -pair.cosine))
