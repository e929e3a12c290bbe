"""What a head is taught by certain, rejected, guessed and unknown cells, and how it is judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ovseg_annotate.fine_tuning.head_training import TuningBatch, TuningBatches, cell_loss
from ovseg_annotate.fine_tuning.judging import quality_of
from ovseg_annotate.fine_tuning.known import NONE, UNKNOWN, Known
from ovseg_annotate.fine_tuning.material import Material, guesses
from ovseg_annotate.fine_tuning.options import FineTuneOptions
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("cat; dog; -red")


def cells(*numbers: int) -> Tensor:
    """One window of one row."""
    return torch.tensor(numbers, dtype=torch.int16)[None, None]


def material(
    certain: Tensor, rejected: Tensor | None = None, guessed: Tensor | None = None
) -> Material:
    nothing = torch.full_like(certain, UNKNOWN)
    return Material(
        {},
        certain,
        nothing if rejected is None else rejected,
        nothing if guessed is None else guessed,
        torch.zeros(len(certain), dtype=torch.int32),
        torch.eye(3),
    )


def slopes(windows: Material, guess_weight: float = 0.25) -> Tensor:
    """(concepts, cells): by how much the loss rises with each logit, from 0."""
    logits = torch.zeros(1, 3, 1, windows.certain.shape[2], requires_grad=True)
    batch = TuningBatch(windows, torch.tensor([True, True, False]))
    cell_loss(logits, batch, guess_weight).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    return logits.grad[0, :, 0]


def test_a_certain_cell_wants_its_concept_and_no_other() -> None:
    found = slopes(material(cells(1)))[:, 0]
    assert found[1] < 0
    assert found[0] > 0
    assert found[2] > 0


def test_an_unknown_cell_teaches_nothing() -> None:
    assert (slopes(material(cells(1, UNKNOWN)))[:, 1] == 0).all()


def test_a_rejected_cell_speaks_of_the_rejected_concept_alone() -> None:
    found = slopes(material(cells(1, UNKNOWN), cells(UNKNOWN, 0)))[:, 1]
    assert found[0] > 0
    assert found[1] == found[2] == 0


def test_where_none_of_the_concepts_is_negative_ones_may_be() -> None:
    found = slopes(material(cells(NONE)))[:, 0]
    assert found[0] > 0
    assert found[1] > 0
    assert found[2] == 0


def test_a_guess_counts_less_than_what_a_person_said() -> None:
    found = slopes(material(cells(0, UNKNOWN), guessed=cells(UNKNOWN, 0)))
    assert found[:, 1] == pytest.approx(0.25 * found[:, 0])


def test_a_guess_never_counts_where_somebody_rejected_or_said_something() -> None:
    with_guess = material(cells(0, UNKNOWN), cells(UNKNOWN, 0), cells(1, 0))
    without = material(cells(0, UNKNOWN), cells(UNKNOWN, 0))
    assert torch.equal(slopes(with_guess), slopes(without))


def test_only_a_clear_winner_is_guessed_and_only_where_nobody_looked() -> None:
    values = torch.tensor([[0.9, 0.6, 0.9, 0.9], [0.1, 0.5, 0.1, 0.1], [0.0, 0.0, 0.0, 0.0]])
    scores = ClassScores(values[None, :, None], competing=False, vocabulary=WORDS)
    known = Known(cells(UNKNOWN, UNKNOWN, 1, UNKNOWN).numpy(), cells(-1, -1, -1, 0).numpy())
    assert torch.equal(guesses([scores], known, 0.5), cells(0, UNKNOWN, UNKNOWN, UNKNOWN))


def test_of_many_concepts_a_batch_is_asked_for_the_true_ones_and_some_others() -> None:
    words = Vocabulary.parse("; ".join(f"word{number}" for number in range(40)))
    known = replace(material(cells(7, 30, UNKNOWN)), vectors=torch.arange(40.0)[:, None])
    options = FineTuneOptions(windows=1, concepts=5)
    batch = TuningBatches(known, words, options).batch(3)
    asked = batch.windows.vectors[:, 0].tolist()
    assert len(asked) == 5
    assert [asked[number] for number in batch.windows.certain[0, 0, :2].tolist()] == [7.0, 30.0]
    assert batch.windows.certain[0, 0, 2] == UNKNOWN
    again = TuningBatches(known, words, options).batch(3)
    assert again.windows.vectors[:, 0].tolist() == asked


def test_quality_is_the_mean_iou_on_certain_cells() -> None:
    values = torch.tensor([[0.9, 0.9, 0.1, 0.1], [0.1, 0.1, 0.9, 0.9], [0.0, 0.0, 0.0, 0.0]])
    scores = ClassScores(values[None, :, None], competing=False, vocabulary=WORDS)
    found = quality_of(material(cells(0, 1, 1, UNKNOWN)), WORDS, lambda windows: scores)
    assert found == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_what_was_rejected_and_comes_again_is_wrong() -> None:
    values = torch.tensor([[0.9, 0.9], [0.1, 0.1], [0.0, 0.0]])
    scores = ClassScores(values[None, :, None], competing=False, vocabulary=WORDS)
    found = quality_of(
        material(cells(0, UNKNOWN), cells(UNKNOWN, 0)), WORDS, lambda windows: scores
    )
    assert found == pytest.approx(1 / 2)
