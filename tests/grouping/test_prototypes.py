from __future__ import annotations

import torch
from engines.fixture_tower import tensors_of
from grouping.pgseg_fixtures import assert_relative
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.backbones.group_checkpoint import flattened, renamed
from ovseg_annotate.grouping.layers import Projection
from ovseg_annotate.grouping.prototypes import PrototypeMemory, estimate, token_weights

NAME = "em_prototypes"


def published_memory() -> PrototypeMemory:
    memory = PrototypeMemory(count=12, width=40)
    memory.means.copy_(tensors_of(NAME)["weights.mu"])
    return memory.eval()


def published_mapping() -> Projection:
    mapping = Projection(40, 40, 40)
    beginning, place = "img_encoder.layers.0.downsample_spatial.", "image.stages.0.reconstruct."
    state = {
        renamed(beginning + name.removeprefix("weights.")).removeprefix(place): flattened(value)
        for name, value in tensors_of(NAME).items()
        if name.startswith("weights.mapping_x")
    }
    mapping.load_state_dict({**mapping.state_dict(), **state})
    return mapping.eval()


def test_prototypes_are_those_of_the_released_program() -> None:
    published, memory = tensors_of(NAME), published_memory()
    for case in ("0", "1"):
        tokens = published[f"in.tokens_{case}"]
        found = memory(tokens)
        assert_relative(found.prototypes, published[f"out.prototypes_{case}"])
        weights = token_weights(tokens, found.prototypes)
        assert_relative(weights.mT, published[f"out.attention_{case}"])
        with torch.no_grad():
            said = published_mapping()(found.reconstruction)
        assert_relative(said, published[f"out.reconstruction_{case}"])


def test_the_memory_moves_as_published_but_in_training_only() -> None:
    published, memory = tensors_of(NAME), published_memory()
    before = memory.means.clone()
    memory(published["in.tokens_0"])
    assert torch.equal(memory.means, before)
    memory.train()(published["in.tokens_0"])
    assert_relative(memory.means, published["out.mu_after_momentum_0"])


def test_the_single_numbers_of_the_released_program_are_told_when_asked_for() -> None:
    published = tensors_of(NAME)
    memory = PrototypeMemory(count=8, width=1)
    memory.means.copy_(published["weights.text_mu"])
    numbers = published["in.text_vector"][:, :, None]
    found = estimate(numbers, memory.means, 10, released_quirks=True)
    assert_relative(found.prototypes, published["out.text_prototypes"])
    memory.remember(found.prototypes)
    assert_relative(memory.means, published["out.text_mu_after"])


@given(tokens=st.integers(1, 9), padding=st.integers(1, 5), seed=st.integers(0, 99))
def test_what_is_not_valid_changes_no_prototype(tokens: int, padding: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    words = torch.randn(2, tokens, 6, generator=generator)
    start = torch.randn(1, 3, 6, generator=generator)
    noise = 9 * torch.randn(2, padding, 6, generator=generator)
    valid = torch.arange(tokens + padding).expand(2, -1) < tokens
    padded = estimate(torch.cat([words, noise], dim=1), start, 4, valid)
    torch.testing.assert_close(padded.prototypes, estimate(words, start, 4).prototypes)


def test_no_gradient_reaches_the_tokens_of_a_prototype() -> None:
    tokens = torch.randn(1, 5, 6, requires_grad=True)
    found = PrototypeMemory(3, 6)(tokens)
    assert not found.prototypes.requires_grad
    assert not found.reconstruction.requires_grad


def test_tokens_of_two_kinds_have_two_prototypes() -> None:
    kinds = torch.eye(6)[:2] * 4
    tokens = kinds.repeat_interleave(10, dim=0)[None]
    start = torch.nn.functional.normalize(kinds + 0.3 * torch.randn(2, 6), dim=1)[None]
    found = estimate(tokens, start, 10)
    torch.testing.assert_close(found.prototypes[0], torch.eye(6)[:2], atol=0.2, rtol=0)
