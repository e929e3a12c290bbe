from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from ovseg_annotate.errors import OptionError
from ovseg_annotate.training.dense_paths import (
    dense_tokens,
    embedded,
    encode_phrases,
    gaussian_bias,
    neighbour_attention,
)
from ovseg_annotate.training.mini_model import MiniShape, build_mini, sine_positions, word_anchors

TINY = MiniShape(
    image_size=32,
    patch_size=8,
    width=64,
    layers=2,
    head_width=32,
    embed_dim=16,
    text_width=64,
    text_layers=1,
    context_length=12,
)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return build_mini(TINY, vocabulary_size=600, seed=0).eval()


def test_the_first_token_is_the_picture_as_open_clip_embeds_it(model: nn.Module) -> None:
    pictures = torch.randn(2, 3, 32, 32)
    tokens = dense_tokens(model.visual, pictures)
    assert tokens.plain.shape == tokens.neighbours.shape == (2, 16, 16)
    wanted = F.normalize(model.visual(pictures), dim=-1)
    assert torch.allclose(tokens.picture, wanted, atol=1e-5)


def test_whole_pictures_enter_the_blocks_as_open_clip_has_them(model: nn.Module) -> None:
    pictures = torch.randn(2, 3, 32, 32)
    tokens, grid = embedded(model.visual, pictures, (0, 0))
    assert grid == 4
    assert torch.allclose(tokens, model.visual._embeds(pictures), atol=1e-6)


@pytest.mark.parametrize("corner", [(0, 0), (1, 2), (2, 1)])
def test_a_part_of_a_picture_has_the_tokens_it_has_in_the_whole(
    model: nn.Module, corner: tuple[int, int]
) -> None:
    whole = torch.randn(1, 3, 32, 32)
    top, left = corner
    part = whole[..., 8 * top : 8 * top + 16, 8 * left : 8 * left + 16]
    tokens, grid = embedded(model.visual, part, corner)
    expected = embedded(model.visual, whole, (0, 0))[0][:, 1:].unflatten(1, (4, 4))
    expected = expected[:, top : top + 2, left : left + 2].flatten(1, 2)
    assert grid == 2
    assert torch.allclose(tokens[:, 1:], expected, atol=1e-6)


def test_phrases_are_embedded_as_open_clip_embeds_them(model: nn.Module) -> None:
    tokens = torch.tensor([[598, 5, 599, *[0] * 9], [598, 5, 7, 8, 9, 599, *[0] * 6]])
    wanted = model.encode_text(tokens, normalize=True)
    assert torch.allclose(encode_phrases(model, tokens), wanted, atol=1e-5)


def test_neighbour_attention_is_the_written_formula(model: nn.Module) -> None:
    block, bias = model.visual.transformer.resblocks[-1], gaussian_bias(4)
    tokens = torch.randn(1, 17, 64)
    heads = []
    projected = F.linear(block.ln_1(tokens), block.attn.in_proj_weight, block.attn.in_proj_bias)
    key, value = projected[0, :, 64:128], projected[0, :, 128:]
    for start in (0, 32):
        k, v = key[:, start : start + 32], value[:, start : start + 32]
        heads.append(torch.softmax(k @ k.T / 32**0.5 + bias, dim=-1) @ v)
    wanted = block.attn.out_proj(torch.cat(heads, dim=-1))
    assert torch.allclose(neighbour_attention(block, tokens, bias)[0], wanted, atol=1e-5)


def test_the_bias_favours_near_patches_and_leaves_the_first_token_alone() -> None:
    bias = gaussian_bias(3)
    assert bias.shape == (10, 10)
    assert not bias[0].any()
    assert not bias[:, 0].any()
    assert torch.equal(bias[1:, 1:].diagonal(), torch.ones(9))
    assert bias[1, 2] == bias[1, 4] == pytest.approx(torch.tensor(-1 / 50).exp().item())
    assert bias[1, 9] < bias[1, 5] < bias[1, 2]


def test_the_same_seed_gives_the_same_model_and_another_does_not() -> None:
    one, same, other = (build_mini(TINY, 600, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["visual.conv1.weight"], other["visual.conv1.weight"])


def test_no_two_places_have_the_same_position() -> None:
    positions = sine_positions(12, 192)
    distance = torch.cdist(positions, positions) + torch.eye(144) * 1e3
    assert distance.min() > 0.5


def test_anchors_are_unit_vectors_at_right_angles_and_the_same_again() -> None:
    anchors = word_anchors(5, 8, seed=1)
    assert torch.allclose(anchors @ anchors.T, torch.eye(5), atol=1e-5)
    assert torch.equal(anchors, word_anchors(5, 8, seed=1))


def test_more_words_than_directions_are_refused() -> None:
    with pytest.raises(OptionError, match="embed_dim: got 8; the 9 words"):
        word_anchors(9, 8, seed=1)
