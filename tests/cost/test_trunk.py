from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from cost.fixture_trunk import TINY, assert_near, tiny_features, tiny_text, tiny_trunk
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.cost import trunk as trunk_module
from ovseg_annotate.cost.loss import Truth, pixel_loss
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.cost.trunk import CostTrunk, probabilities
from ovseg_annotate.cost.volume import REJECTED
from ovseg_annotate.engine import some_windows
from ovseg_annotate.errors import ModelError, OptionError

PADDED = TrunkOptions(padded_to=8)
SWITCHES = (
    TrunkOptions(),
    TrunkOptions(layers=0),
    TrunkOptions(layers=1, spatial=False),
    TrunkOptions(mixing=False),
    TrunkOptions(padded_to=0),
    TrunkOptions(pool=2, training_pool=1),
    TrunkOptions(decoder_guidance=False),
    TrunkOptions(layers=0, decoder_guidance=False),
)


@torch.no_grad()
def logits(trunk: CostTrunk, seen: TappedFeatures, text: Tensor) -> Tensor:
    answer: Tensor = trunk(seen, text)
    return answer


@settings(max_examples=25)
@given(rows=st.integers(1, 10), columns=st.integers(1, 10), concepts=st.integers(1, 4))
def test_any_grid_is_answered_four_times_as_fine(rows: int, columns: int, concepts: int) -> None:
    answer = logits(tiny_trunk(PADDED), tiny_features(2, rows, columns), tiny_text(concepts))
    assert answer.shape == (2, concepts, 4 * rows, 4 * columns)
    assert bool(answer.isfinite().all())


@pytest.mark.parametrize("options", SWITCHES)
def test_chunks_of_concepts_change_no_answer(options: TrunkOptions) -> None:
    seen, text = tiny_features(2, 6, 5), tiny_text(7)
    whole = logits(tiny_trunk(options), seen, text)
    for cells in (1, 130, 10**6):
        chunked = tiny_trunk(replace(options, cells_at_once=cells))
        assert_near(logits(chunked, seen, text), whole)


def test_a_batch_equals_one_by_one() -> None:
    trunk, seen, text = tiny_trunk(PADDED), tiny_features(3, 6, 8), tiny_text(3)
    together = logits(trunk, seen, text)
    for number in range(3):
        alone = logits(trunk, some_windows(seen, number, number + 1), text)
        assert_near(together[number], alone[0])


def test_text_may_differ_from_window_to_window() -> None:
    trunk, seen, text = tiny_trunk(PADDED), tiny_features(2, 4, 4), tiny_text(3, windows=2)
    together = logits(trunk, seen, text)
    for number in range(2):
        own = slice(number, number + 1)
        alone = logits(trunk, some_windows(seen, own.start, own.stop), text[own])
        assert_near(together[own], alone)


def test_only_the_direction_of_words_counts() -> None:
    sizes = replace(TINY, phrases=2)
    trunk, seen = tiny_trunk(PADDED, sizes=sizes), tiny_features(1, 4, 4)
    text = tiny_text(3, sizes=sizes)
    lengths = torch.rand(1, 3, 2, 1) + 0.5
    assert_near(logits(trunk, seen, text * lengths), logits(trunk, seen, text))


def test_features_of_half_precision_are_answered_in_full() -> None:
    trunk, text = tiny_trunk(PADDED), tiny_text(3)
    seen = tiny_features(1, 4, 4)
    half = TappedFeatures(seen.cells.bfloat16(), seen.taps.bfloat16(), seen.whole.bfloat16())
    answer = logits(trunk, half, text)
    assert answer.dtype == torch.float32
    assert_near(answer, logits(trunk, seen, text), relative=0.05)


def test_several_phrases_of_a_concept_are_channels() -> None:
    sizes = replace(TINY, phrases=3)
    seen, text = tiny_features(1, 4, 4), tiny_text(2, sizes=sizes)
    trunk = tiny_trunk(PADDED, sizes=sizes)
    turned = text[:, :, [1, 0, 2]]
    assert (logits(trunk, seen, text) - logits(trunk, seen, turned)).abs().max() > 1e-3


@pytest.mark.parametrize("options", SWITCHES)
@pytest.mark.parametrize("cells", [1, 10**6])
def test_every_weight_learns(options: TrunkOptions, cells: int) -> None:
    trunk = CostTrunk(TINY, replace(options, cells_at_once=cells)).train()
    labels = torch.arange(2 * 16 * 16).view(2, 16, 16) % 4
    loss = pixel_loss(
        trunk(tiny_features(2, 4, 4), tiny_text(3)), Truth(labels, mask_unlabelled=True)
    )
    loss.backward()
    still = [
        name
        for name, weights in trunk.named_parameters()
        if weights.grad is None or not bool(weights.grad.abs().max() > 0)
    ]
    # A shift of the keys moves numerator and denominator of a softmax alike.
    assert not [name for name in still if not _is_key_shift(name)]


def _is_key_shift(name: str) -> bool:
    return ".spatial." in name and name.endswith("keys.bias")


def test_a_few_steps_fit_a_few_windows() -> None:
    torch.manual_seed(0)
    trunk = CostTrunk(TINY, TrunkOptions(layers=1, padded_to=8)).train()
    seen, text = tiny_features(2, 4, 4), tiny_text(3)
    labels = (torch.arange(16)[:, None] // 6 + 1).expand(2, 16, 16)
    optimiser = torch.optim.AdamW(trunk.parameters(), lr=1e-2)
    losses = []
    for _ in range(40):
        loss = pixel_loss(trunk(seen, text), Truth(labels, mask_unlabelled=True))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_the_seed_decides_the_first_weights_and_nothing_else_does() -> None:
    torch.manual_seed(1)
    first = CostTrunk(TINY, TrunkOptions(), seed=7).state_dict()
    torch.manual_seed(2)
    second = CostTrunk(TINY, TrunkOptions(), seed=7).state_dict()
    other = CostTrunk(TINY, TrunkOptions(), seed=8).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])


def test_making_a_trunk_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    CostTrunk(TINY, TrunkOptions(), seed=7)
    assert torch.equal(torch.rand(4), expected)


def test_only_the_strongest_concepts_are_scored() -> None:
    seen, text = tiny_features(2, 4, 4), tiny_text(6)
    answer = logits(tiny_trunk(TrunkOptions(keep=2)), seen, text)
    rejected = (answer == REJECTED).all(dim=(2, 3))
    assert rejected.sum(dim=1).tolist() == [4, 4]
    assert bool((answer[~rejected] > REJECTED).all())


def test_in_training_no_concept_is_rejected() -> None:
    trunk = tiny_trunk(TrunkOptions(keep=2)).train()
    assert not bool((logits(trunk, tiny_features(1, 4, 4), tiny_text(6)) == REJECTED).any())


def test_windows_in_turns_give_the_same_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = tiny_trunk(PADDED)
    seen, text = tiny_features(5, 4, 4), tiny_text(3, windows=5)
    at_once = probabilities(trunk, seen, text)
    monkeypatch.setattr(trunk_module, "_CELLS_KEPT", 2 * 3 * 16)
    in_turns = probabilities(trunk, seen, text)
    assert_near(in_turns, at_once)
    assert not in_turns.requires_grad
    assert_near(at_once, logits(trunk, seen, text).sigmoid())


def test_cells_of_another_tower_are_refused() -> None:
    seen = tiny_features(1, 4, 4)
    with pytest.raises(ModelError, match="takes cells of width 8"):
        tiny_trunk(PADDED)(replace(seen, cells=torch.zeros(1, 7, 4, 4)), tiny_text(2))


def test_a_wrong_number_of_phrases_is_refused() -> None:
    two = tiny_text(2, sizes=replace(TINY, phrases=2))
    with pytest.raises(ModelError, match="1 phrases"):
        tiny_trunk(PADDED)(tiny_features(1, 4, 4), two)


def test_taps_of_another_tower_are_refused() -> None:
    seen = replace(tiny_features(1, 4, 4), taps=torch.zeros(1, 2, 11, 4, 4))
    with pytest.raises(ModelError, match="2 layers of width 12"):
        tiny_trunk(PADDED)(seen, tiny_text(2))


def test_a_trunk_without_guidance_reads_no_taps() -> None:
    seen = replace(tiny_features(1, 4, 4), taps=torch.zeros(1, 0))
    trunk = tiny_trunk(TrunkOptions(decoder_guidance=False))
    assert logits(trunk, seen, tiny_text(2)).shape == (1, 2, 16, 16)


@pytest.mark.parametrize(
    ("name", "value"), [("layers", -1), ("pool", 0), ("padded_to", -1), ("cells_at_once", 0)]
)
def test_options_out_of_range_say_what_is_allowed(name: str, value: int) -> None:
    with pytest.raises(OptionError, match=f"{name}.*got {value}; allowed"):
        TrunkOptions(**{name: value})


@pytest.mark.parametrize(
    "sizes",
    [
        {"hidden": 30},
        {"taps": (8, 0)},
        {"decoder": (40, 56)},
        {"decoder_guides": (128, 16)},
        {"window": 0},
    ],
)
def test_sizes_that_do_not_go_together_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="allowed"):
        TrunkSizes(**{"shared": 8, "tower": 8, **sizes})
