from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from ovseg_annotate import decoding
from ovseg_annotate.decoding import CoarseScores, label_map_of
from ovseg_annotate.errors import Cancelled
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.vocabulary import Concept, Vocabulary

PLAIN = RefineOptions(method="none")


def ignore(done: int, total: int) -> None:
    pass


def random_scores(concepts: int, rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (4 * torch.randn(concepts, rows, columns, generator=generator)).softmax(dim=0)


def words(count: int) -> Vocabulary:
    return Vocabulary(tuple(Concept(f"concept {number}") for number in range(count)))


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_the_decision_is_that_of_plain_bilinear_enlargement(
    concepts: int, rows: int, columns: int, seed: int
) -> None:
    values = random_scores(concepts, rows, columns, seed)
    height, width = rows * 5 + seed % 3, columns * 4 + seed % 2
    result = label_map_of(
        CoarseScores(values, True, words(concepts)), grey(height, width), 0.0, PLAIN, ignore
    )
    plain = interpolate(values[None].double(), size=(height, width), mode="bilinear")[0]
    best = plain.max(dim=0)
    np.testing.assert_allclose(result.confidence, best.values.numpy(), atol=1e-3)
    winner = torch.from_numpy(result.labels.astype(np.int64)) - 1
    chosen = plain.gather(0, winner[None])[0]
    # A tie within rounding may go either way.
    assert float((best.values - chosen).max()) < 1e-5


@pytest.mark.parametrize("block_bytes", [4 * 6 * 80 * 80, 2**30])
def test_the_answer_does_not_depend_on_the_blocks(
    monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (300, 260, 3), dtype=np.uint8)
    scores = CoarseScores(random_scores(6, 30, 26), True, words(6))
    whole = label_map_of(scores, pixels, 0.3, RefineOptions(), ignore)
    monkeypatch.setattr(decoding, "_BLOCK_BYTES", block_bytes)
    parts = label_map_of(scores, pixels, 0.3, RefineOptions(), ignore)
    assert np.mean(whole.labels != parts.labels) < 1e-4
    np.testing.assert_allclose(
        whole.confidence.astype(float), parts.confidence.astype(float), atol=2e-3
    )


def test_weak_pixels_are_unlabelled_by_the_threshold_of_their_concept() -> None:
    values = torch.tensor([0.6, 0.4]).view(2, 1, 1).expand(2, 4, 4)
    strict = Vocabulary((Concept("a", threshold=0.7), Concept("b")))
    lax = Vocabulary((Concept("a", threshold=0.5), Concept("b")))
    picture = grey(8, 8)
    assert not label_map_of(
        CoarseScores(values, True, strict), picture, 0.0, PLAIN, ignore
    ).labels.any()
    assert (
        label_map_of(CoarseScores(values, True, lax), picture, 0.9, PLAIN, ignore).labels == 1
    ).all()


def test_a_negative_concept_takes_pixels_and_gives_no_label() -> None:
    values = torch.tensor([0.3, 0.7]).view(2, 1, 1).expand(2, 4, 4)
    vocabulary = Vocabulary((Concept("a"), Concept("b", negative=True)))
    result = label_map_of(CoarseScores(values, True, vocabulary), grey(8, 8), 0.0, PLAIN, ignore)
    assert not result.labels.any()
    np.testing.assert_allclose(result.confidence, 0.7, atol=1e-3)
    np.testing.assert_allclose(result.margin, 0.4, atol=1e-3)


@pytest.mark.parametrize(("count", "dtype"), [(255, np.uint8), (256, np.uint16)])
def test_every_label_fits_its_type(count: int, dtype: type) -> None:
    values = torch.zeros(count, 2, 2)
    values[-1] = 1.0
    result = label_map_of(CoarseScores(values, True, words(count)), grey(4, 4), 0.0, PLAIN, ignore)
    assert result.labels.dtype == dtype
    assert (result.labels == count).all()


def test_a_concept_that_leads_in_no_cell_can_win_between_cells() -> None:
    values = torch.tensor([[[0.58, 0.0]], [[0.0, 0.58]], [[0.42, 0.42]]])
    result = label_map_of(CoarseScores(values, True, words(3)), grey(1, 40), 0.0, PLAIN, ignore)
    assert set(np.unique(result.labels)) == {1, 2, 3}


def test_pruning_keeps_all_concepts_of_a_flat_block() -> None:
    assert decoding._leading_concepts(torch.full((50, 3, 3), 1 / 50)) is None


def test_pruning_leaves_out_concepts_that_cannot_win() -> None:
    values = torch.full((100, 2, 2), 1e-5)
    values[7], values[3] = 0.9, 0.09902
    leading = decoding._leading_concepts(values)
    assert leading is not None
    assert {3, 7} <= set(leading.tolist())
    assert len(leading) < 10


def test_work_stops_when_the_step_raises() -> None:
    def stop(done: int, total: int) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        label_map_of(
            CoarseScores(random_scores(2, 3, 3), True, words(2)), grey(9, 9), 0.0, PLAIN, stop
        )
