from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from cost.fixture_fgaseg import TINY_OPTIONS, tiny_head
from cost.fixture_trunk import TINY, assert_near, seeded, tiny_features, tiny_text
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ovseg_annotate.backbones.taps import TappedFeatures
from ovseg_annotate.cost.fgaseg_fast import strong_somewhere
from ovseg_annotate.cost.fgaseg_head import FgasegHead
from ovseg_annotate.cost.fgaseg_options import FgasegOptions
from ovseg_annotate.cost.loss import Truth
from ovseg_annotate.cost.options import TrunkOptions
from ovseg_annotate.cost.trunk import CostTrunk, probabilities
from ovseg_annotate.cost.volume import REJECTED
from ovseg_annotate.engine import some_windows
from ovseg_annotate.errors import ModelError, OptionError

FAST = replace(TINY_OPTIONS, auxiliary=True, fast_top=1)
SWITCHES = (
    TINY_OPTIONS,
    replace(TINY_OPTIONS, text_layers=0),
    replace(TINY_OPTIONS, text_layers=3, text_share=0.1),
    replace(TINY_OPTIONS, local_side=0),
    replace(TINY_OPTIONS, local_side=0, auxiliary=True),
    replace(TINY_OPTIONS, local_side=1),
    replace(TINY_OPTIONS, local_side=5, local_softmax=False),
    replace(TINY_OPTIONS, fusion="add"),
    replace(TINY_OPTIONS, injection=False),
    replace(TINY_OPTIONS, auxiliary=True),
    replace(TINY_OPTIONS, align_weight=0.0),
    replace(TINY_OPTIONS, trunk=TrunkOptions(padded_to=8, layers=0, decoder_guidance=False)),
    replace(TINY_OPTIONS, trunk=TrunkOptions(padded_to=8, on_cosines=True)),
    replace(TINY_OPTIONS, trunk=TrunkOptions(padded_to=0, keep=2)),
    FAST,
)


@torch.no_grad()
def logits(head: FgasegHead | CostTrunk, seen: TappedFeatures, text: Tensor) -> Tensor:
    answer: Tensor = head(seen, text)
    return answer


def some_truth(concepts: int = 3) -> Truth:
    labels = torch.arange(2 * 16 * 16).view(2, 16, 16) // 7 % (concepts + 1)
    return Truth(labels, mask_unlabelled=True)


@pytest.mark.parametrize("options", SWITCHES)
def test_any_grid_is_answered_four_times_as_fine(options: FgasegOptions) -> None:
    for rows, columns in ((4, 4), (1, 1), (7, 3)):
        answer = logits(tiny_head(options), tiny_features(2, rows, columns), tiny_text(3))
        assert answer.shape == (2, 3, 4 * rows, 4 * columns)
        assert bool(answer.isfinite().all())


@pytest.mark.parametrize("trunk", [TrunkOptions(padded_to=8), TrunkOptions(on_cosines=True)])
@pytest.mark.parametrize("windows", [1, 2])
def test_it_starts_as_the_plain_trunk_without_any_difference(
    trunk: TrunkOptions, windows: int
) -> None:
    seen, text = tiny_features(2, 6, 5), tiny_text(4, windows=windows)
    plain = seeded(lambda: CostTrunk(TINY, trunk))
    head = FgasegHead(FgasegOptions(sizes=TINY, trunk=trunk, text_heads=2)).eval()
    head.trunk.load_state_dict(plain.state_dict())
    assert torch.equal(logits(head, seen, text), logits(plain, seen, text))


def test_a_random_start_is_not_the_trunk() -> None:
    seen, text = tiny_features(1, 4, 4), tiny_text(3)
    options = FgasegOptions(sizes=TINY, text_heads=2, start="random", text_share=0.1)
    head = FgasegHead(options).eval()
    assert (logits(head, seen, text) - logits(head.trunk, seen, text)).abs().max() > 1e-3


@pytest.mark.parametrize("options", SWITCHES)
def test_chunks_of_concepts_change_no_answer(options: FgasegOptions) -> None:
    seen, text = tiny_features(2, 6, 5), tiny_text(7)
    whole = logits(tiny_head(options), seen, text)
    for cells in (1, 130, 10**6):
        trunk = replace(options.trunk, cells_at_once=cells)
        chunked = logits(tiny_head(replace(options, trunk=trunk)), seen, text)
        assert_near(chunked, whole)


@pytest.mark.parametrize("options", SWITCHES)
def test_a_batch_equals_one_by_one(options: FgasegOptions) -> None:
    head, seen, text = tiny_head(options), tiny_features(3, 6, 4), tiny_text(4)
    together = logits(head, seen, text)
    for number in range(3):
        alone = logits(head, some_windows(seen, number, number + 1), text)
        assert_near(together[number], alone[0])


@settings(max_examples=15)
@given(order=st.permutations(range(5)))
def test_the_order_of_concepts_does_not_matter(order: list[int]) -> None:
    seen, text = tiny_features(1, 4, 4), tiny_text(5)
    for options in (TINY_OPTIONS, replace(FAST, fast_top=2)):
        head = tiny_head(options)
        assert_near(logits(head, seen, text[:, order]), logits(head, seen, text)[:, order])


def test_words_differ_from_window_to_window_after_they_looked() -> None:
    head = tiny_head()
    assert head.pixel_text is not None
    with torch.no_grad():
        words = head.pixel_text(tiny_features(2, 4, 4).cells, tiny_text(3))
    assert words.shape == (2, 3, 1, TINY.shared)
    assert (words[0] - words[1]).abs().max() > 1e-3


@pytest.mark.parametrize("options", SWITCHES)
def test_each_part_counts_in_the_answer(options: FgasegOptions) -> None:
    seen, text = tiny_features(1, 4, 4), tiny_text(3)
    head = tiny_head(options)
    before = logits(head, seen, text)
    parts = [head.trunk.decoder, head.pixel_text]
    if head.local is not None:
        parts += [head.local.alignment, head.local.embedding, head.local.injection]
    for part in parts:
        if part is not None:
            own = {name: value.clone() for name, value in part.state_dict().items()}
            with torch.no_grad():
                for value in part.parameters():
                    value.mul_(1.5)
            assert not torch.equal(logits(head, seen, text), before)
            part.load_state_dict(own)


@pytest.mark.parametrize("options", SWITCHES)
def test_every_weight_learns(options: FgasegOptions) -> None:
    head = tiny_head(options).train()
    losses = head.losses(tiny_features(2, 4, 4), tiny_text(3), some_truth())
    torch.stack(list(losses.values())).sum().backward()
    still = [
        name
        for name, weights in head.named_parameters()
        if weights.grad is None or not bool(weights.grad.abs().max() > 0)
    ]
    # A shift of the keys moves numerator and denominator of a softmax alike.
    assert not [name for name in still if not (".spatial." in name and "keys.bias" in name)]


def test_at_the_start_of_the_trunk_only_the_fusions_learn_of_the_local_branch() -> None:
    head = FgasegHead(FgasegOptions(sizes=TINY, text_heads=2)).train()
    head.losses(tiny_features(2, 4, 4), tiny_text(3), some_truth())["pixels"].backward()
    assert head.local is not None
    assert head.local.injection is not None
    for fusion in (head.local.fusion, head.local.injection.before, head.local.injection.after):
        assert bool(fusion.layer.weight.grad.any())
    assert not bool(head.local.embedding.weight.grad.any())


def test_losses_are_named_and_weighted() -> None:
    head = tiny_head(replace(TINY_OPTIONS, auxiliary=True))
    case = tiny_features(2, 4, 4), tiny_text(3), some_truth()
    with torch.no_grad():
        once = head.losses(*case)
        head.options = replace(head.options, align_weight=0.2)
        tenfold = head.losses(*case)
    assert once.keys() == {"pixels", "auxiliary", "align"}
    torch.testing.assert_close(tenfold["align"], 10 * once["align"])
    assert tenfold["pixels"] == once["pixels"]


def test_a_few_steps_fit_a_few_windows() -> None:
    trunk = TrunkOptions(layers=1, padded_to=8)
    head = FgasegHead(FgasegOptions(sizes=TINY, trunk=trunk, text_heads=2)).train()
    labels = (torch.arange(16)[:, None] // 6 + 1).expand(2, 16, 16)
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-2)
    values = []
    for _ in range(40):
        truth = Truth(labels, mask_unlabelled=True)
        losses = head.losses(tiny_features(2, 4, 4), tiny_text(3), truth)
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        optimiser.step()
        values.append(losses["pixels"].item())
    assert values[-1] < values[0] / 2


def test_the_fast_way_leaves_weak_concepts_behind_with_a_logit() -> None:
    seen, text = tiny_features(2, 2, 2), tiny_text(9)
    slow, fast = tiny_head(replace(FAST, fast_top=0)), tiny_head(FAST)
    answer = logits(fast, seen, text)
    left = (answer == REJECTED).all(dim=(2, 3))
    assert bool(left.any(dim=1).all())
    assert bool((~left).any(dim=1).all())
    assert probabilities(fast, seen, text)[left].max() == 0  # not one half, as a second sigmoid has
    assert not bool((logits(slow, seen, text) == REJECTED).any())


def test_concepts_that_stay_on_the_fast_way_score_as_if_asked_alone() -> None:
    seen, text = tiny_features(1, 2, 2), tiny_text(9)
    options = replace(FAST, trunk=TrunkOptions(padded_to=0, mixing=False))
    answer = logits(tiny_head(options), seen, text)
    kept = (answer > REJECTED).all(dim=(2, 3))[0]
    alone = logits(tiny_head(replace(options, fast_top=0)), seen, text[:, kept])
    assert_near(answer[:, kept], alone)


def test_with_as_many_places_as_concepts_the_fast_way_is_the_slow_one() -> None:
    seen, text = tiny_features(1, 4, 4), tiny_text(3)
    slow, fast = (tiny_head(replace(FAST, fast_top=top)) for top in (0, 3))
    assert torch.equal(logits(fast, seen, text), logits(slow, seen, text))


def test_in_training_nothing_is_left_behind() -> None:
    head = tiny_head(FAST).train()
    assert not bool((logits(head, tiny_features(2, 2, 2), tiny_text(9)) == REJECTED).any())


@given(concepts=st.integers(1, 8), top=st.integers(1, 9), seed=st.integers(0, 1000))
def test_what_is_strong_at_any_cell_stays(concepts: int, top: int, seed: int) -> None:
    drawn = torch.randn(1, concepts, 2, 3, generator=torch.Generator().manual_seed(seed))
    ranks = drawn.argsort(dim=1, descending=True).argsort(dim=1)
    expected = (ranks < top).flatten(2).any(dim=2)[0].nonzero()[:, 0]
    assert torch.equal(strong_somewhere(drawn, top), expected)


def test_features_of_half_precision_are_answered_in_full() -> None:
    head, text, seen = tiny_head(), tiny_text(3), tiny_features(1, 4, 4)
    half = TappedFeatures(seen.cells.bfloat16(), seen.taps.bfloat16(), seen.whole.bfloat16())
    answer = logits(head, half, text)
    assert answer.dtype == torch.float32
    assert_near(answer, logits(head, seen, text), relative=0.1)


def test_the_seed_decides_the_first_weights_and_nothing_else_does() -> None:
    options = FgasegOptions(sizes=TINY, text_heads=2, start="random")
    torch.manual_seed(1)
    first = FgasegHead(options, seed=7).state_dict()
    torch.manual_seed(2)
    expected = torch.rand(2)
    torch.manual_seed(2)
    second = FgasegHead(options, seed=7).state_dict()
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("phrases", [2, 3])
def test_a_wrong_number_of_phrases_is_refused(phrases: int) -> None:
    text = tiny_text(2, sizes=replace(TINY, phrases=phrases))
    with pytest.raises(ModelError, match="1 phrases"):
        tiny_head()(tiny_features(1, 4, 4), text)


def test_cells_of_another_tower_are_refused() -> None:
    seen = replace(tiny_features(1, 4, 4), cells=torch.zeros(1, 7, 4, 4))
    with pytest.raises(ModelError, match="takes cells of width 8"):
        tiny_head()(seen, tiny_text(2))


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({"local_side": 2}, "local_side.*got 2; allowed: 0, 1, 3, 5"),
        ({"text_layers": -1}, "text_layers.*got -1; allowed: 0 or more"),
        ({"align_weight": float("nan")}, "align_weight.*got nan; allowed: 0 or more"),
        ({"fast_top": 16}, "without auxiliary heads"),
        ({"text_heads": 3}, "text_heads.*got 3; allowed: a divisor of .* 8"),
        ({"sizes": replace(TINY, phrases=2)}, "phrases.*got 2; allowed: 1"),
    ],
)
def test_options_that_cannot_be_say_what_is_allowed(
    changes: dict[str, object], allowed: str
) -> None:
    with pytest.raises(OptionError, match=allowed):
        replace(TINY_OPTIONS, **changes)


def test_with_the_published_sizes_it_has_the_published_number_of_weights() -> None:
    head = FgasegHead(FgasegOptions())
    counts = {
        name: sum(weights.numel() for weights in part.parameters())
        for name, part in head.named_children()
    }
    upsamplers = sum(weights.numel() for weights in head.trunk.guidance.enlarge.parameters())
    millions = [
        counts["pixel_text"],
        counts["trunk"] + counts["local"] - upsamplers,
        counts["align"],
    ]
    assert [round(count / 1e6, 3) for count in millions] == [1.315, 4.861, 4.789]
