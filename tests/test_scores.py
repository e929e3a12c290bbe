from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from ovseg_annotate.scores import ClassScores, fold, grouped
from ovseg_annotate.text.encoder import mean_over_templates
from ovseg_annotate.vocabulary import Vocabulary

FIXTURES = Path(__file__).parent / "fixtures"
FACTS = json.loads((FIXTURES / "score_folding.json").read_text())
GIVEN = load_file(FIXTURES / "score_folding.safetensors")
SCALE = FACTS["hyperparameters"]["logit_scale"]
OWNERS = GIVEN["in.query_idx"].tolist()
CONCEPTS = 5


def assert_as_published(ours: Tensor, tensor: str) -> None:
    tolerance = FACTS["tolerance"]
    torch.testing.assert_close(ours, GIVEN[tensor], atol=tolerance["atol"], rtol=tolerance["rtol"])


def published_strength() -> Tensor:
    """What the papers compare with their threshold: not yet renormalised over concepts."""
    return grouped((SCALE * GIVEN["in.logits"]).softmax(dim=0), OWNERS, CONCEPTS, "max")


@pytest.mark.parametrize("threshold", FACTS["hyperparameters"]["prob_thd"])
def test_probabilities_and_labels_are_those_of_the_published_code(threshold: float) -> None:
    strength = published_strength()
    best, labels = strength.max(dim=0)
    labels[best < threshold] = 0
    assert torch.equal(labels.int(), GIVEN[f"out.pred_thd{threshold}"])
    ours = fold(SCALE * GIVEN["in.logits"], OWNERS, CONCEPTS, "max")
    assert_as_published(ours, f"out.prob_thd{threshold}")


def test_strength_before_renormalising_is_that_of_sclip() -> None:
    assert_as_published(published_strength(), "out.sclip_score")


def test_one_phrase_for_each_concept_needs_no_folding() -> None:
    logits = SCALE * GIVEN["in.logits_plain"]
    concepts = len(logits)
    for rule in ("max", "sum"):
        probabilities = fold(logits, range(concepts), concepts, rule)
        assert_as_published(probabilities, "out.plain_prob")
    labels = probabilities.argmax(dim=0)
    labels[probabilities.amax(dim=0) < FACTS["hyperparameters"]["prob_thd"][1]] = 0
    assert torch.equal(labels.int(), GIVEN["out.plain_pred"])


def test_template_vectors_are_averaged_as_published() -> None:
    assert_as_published(mean_over_templates(GIVEN["in.template_features"]), "out.text_feature")


@st.composite
def folding_cases(draw: st.DrawFn) -> tuple[Tensor, list[int], int]:
    """Logits (phrases, 4), an owner for each phrase in any order, the number of concepts."""
    concepts = draw(st.integers(1, 6))
    more = draw(st.lists(st.integers(0, concepts - 1), max_size=8))
    owners = draw(st.permutations([*range(concepts), *more]))
    seed = draw(st.integers(0, 9999))
    logits = 6 * torch.randn((len(owners), 4), generator=torch.Generator().manual_seed(seed))
    return logits, owners, concepts


@settings(deadline=None, max_examples=30)
@given(case=folding_cases())
def test_max_equals_softmax_over_phrases_then_maximum_then_renormalising(
    case: tuple[Tensor, list[int], int],
) -> None:
    logits, owners, concepts = case
    phrases = logits.double().softmax(dim=0)
    strongest = torch.stack(
        [
            torch.stack([phrases[i] for i, owner in enumerate(owners) if owner == number]).amax(0)
            for number in range(concepts)
        ]
    )
    expected = strongest / strongest.sum(dim=0)
    torch.testing.assert_close(fold(logits, owners, concepts, "max"), expected.float())


@settings(deadline=None, max_examples=30)
@given(case=folding_cases())
def test_sum_equals_adding_up_the_phrases(case: tuple[Tensor, list[int], int]) -> None:
    logits, owners, concepts = case
    phrases = logits.double().softmax(dim=0)
    expected = torch.zeros(concepts, 4, dtype=torch.double)
    for phrase, owner in zip(phrases, owners, strict=True):
        expected[owner] += phrase
    torch.testing.assert_close(fold(logits, owners, concepts, "sum"), expected.float())


@settings(deadline=None, max_examples=30)
@given(case=folding_cases(), rule=st.sampled_from(["max", "sum"]))
def test_concepts_share_exactly_one(
    case: tuple[Tensor, list[int], int], rule: Literal["max", "sum"]
) -> None:
    probabilities = fold(*case, rule)
    torch.testing.assert_close(probabilities.sum(dim=0), torch.ones(4))
    assert bool((probabilities >= 0).all())


@settings(deadline=None, max_examples=30)
@given(case=folding_cases())
def test_a_weaker_synonym_changes_nothing_under_max(case: tuple[Tensor, list[int], int]) -> None:
    logits, owners, concepts = case
    weaker = logits.amin(dim=0, keepdim=True) - 1
    with_synonym = fold(torch.cat([logits, weaker]), [*owners, owners[0]], concepts, "max")
    torch.testing.assert_close(with_synonym, fold(logits, owners, concepts, "max"))


def test_the_caller_keeps_its_logits() -> None:
    logits = torch.tensor([[1.0], [2.0], [3.0]])
    grouped(logits, [0, 0, 1], 2, "max")
    assert logits.flatten().tolist() == [1.0, 2.0, 3.0]


def test_a_concept_without_a_phrase_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="without a phrase"):
        fold(torch.zeros(2, 1), [0, 2], 3, "max")


def test_scores_for_another_number_of_concepts_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="for 2 concepts"):
        ClassScores(torch.zeros(1, 3, 2, 2), competing=True, vocabulary=Vocabulary.parse("a; b"))
