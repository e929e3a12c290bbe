from __future__ import annotations

from collections.abc import Callable
from typing import Any

import open_clip
import pytest
import torch
from backbones.tiny_towers import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import SimpleTokenizer
from torch import nn

from ovseg_annotate.backbones.network import fill_at_random
from ovseg_annotate.backbones.text import OpenClipText
from ovseg_annotate.backbones.tokens import BytePairs, stand_in_tokenizer
from ovseg_annotate.errors import VocabularyError

CONTEXT = 20
TEXTS = [
    "a photo of a cat",
    "sky",
    "a bad photo of the dark round cell nucleus on slides",
    "road",
]
TEXT = {"context_length": CONTEXT, "width": 32, "heads": 2, "layers": 3}
VISION = {"image_size": 16, "patch_size": 8, "width": 16, "layers": 1, "head_width": 16}


def network(kind: type[nn.Module] = open_clip.CLIP, **text: Any) -> Any:
    made = kind(SHARED, VISION, {**TEXT, **text})
    fill_at_random(made, seed=3)
    return made.eval()


def mark_ends_with_two(tokenizer: SimpleTokenizer) -> BytePairs:
    """CLIP's byte pairs with an end mark that is not the highest number."""

    class Renumbered(BytePairs):
        def ids(self, text: str) -> list[int]:
            return [*super().ids(text)[:-1], 2]

    return Renumbered(tokenizer)


TOWERS: dict[str, Callable[[], Any]] = {
    "plain": network,
    "of its own": lambda: network(open_clip.CustomTextCLIP),
    "linear projection": lambda: network(open_clip.CustomTextCLIP, proj_bias=True),
    "no projection": lambda: network(proj_type="none"),
    "looks both ways": lambda: network(open_clip.CustomTextCLIP, no_causal_mask=True),
    "reads the last place": lambda: network(no_causal_mask=True, pool_type="last"),
    "appended token": lambda: network(open_clip.CustomTextCLIP, embed_cls=True),
}


@pytest.fixture(scope="module")
def tokenizer() -> SimpleTokenizer:
    return SimpleTokenizer(context_length=CONTEXT)


@pytest.mark.parametrize("name", TOWERS)
def test_texts_are_encoded_as_the_library_does(name: str, tokenizer: SimpleTokenizer) -> None:
    tower = TOWERS[name]()
    ours = OpenClipText(tower, BytePairs(tokenizer), CONTEXT).encode(TEXTS)
    with torch.no_grad():
        theirs = tower.encode_text(tokenizer(TEXTS), normalize=True)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_an_end_mark_that_is_not_the_highest_number_is_found(tokenizer: SimpleTokenizer) -> None:
    tower = network(pool_type="eos", eos_id=2)
    renumbered = mark_ends_with_two(tokenizer)
    ids = [renumbered.ids(text) for text in TEXTS]
    padded = torch.tensor([row + [0] * (CONTEXT - len(row)) for row in ids])
    with torch.no_grad():
        theirs = tower.encode_text(padded, normalize=True)
    ours = OpenClipText(tower, renumbered, CONTEXT).encode(TEXTS)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("texts", "tokens"),
    [
        (["sky"], 3),  # a start, the word, an end: not the whole context
        (["sky", "road", "sky"], 1 + 2 * 2),
        (["a photo of a cat", "a photo of a dog"], 5 + 2 * 2),
    ],
)
def test_a_causal_tower_reads_no_token_twice(
    tokenizer: SimpleTokenizer, texts: list[str], tokens: int
) -> None:
    tower = network()
    shapes: list[tuple[int, ...]] = []
    tower.transformer.register_forward_hook(lambda *seen: shapes.append(seen[-1].shape[:2]))
    OpenClipText(tower, BytePairs(tokenizer), CONTEXT).encode(texts)
    assert shapes == [(1, tokens)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=150))
def test_rows_come_in_the_order_of_the_texts(texts: list[str]) -> None:
    rows = ENCODED.encode(texts)
    alone = torch.cat([ALONE[text] for text in texts])
    torch.testing.assert_close(rows, alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(texts)))


def test_a_text_that_is_too_long_is_named_with_the_limit(tokenizer: SimpleTokenizer) -> None:
    tower = OpenClipText(network(), BytePairs(tokenizer), CONTEXT)
    long = "cat " * 30
    assert tower.longest_phrase == CONTEXT
    assert tower.token_count(long) == 32
    with pytest.raises(VocabularyError, match=r"cat cat.*has 32 tokens.*at most 20"):
        tower.encode(["sky", long])


def test_no_text_at_all_is_refused(tokenizer: SimpleTokenizer) -> None:
    with pytest.raises(VocabularyError, match="at least one text"):
        OpenClipText(network(), BytePairs(tokenizer), CONTEXT).encode([])


def test_a_tower_in_half_precision_still_gives_single_precision(
    tokenizer: SimpleTokenizer,
) -> None:
    exact = OpenClipText(network(), BytePairs(tokenizer), CONTEXT).encode(TEXTS)
    rounded = OpenClipText(network().to(torch.bfloat16), BytePairs(tokenizer), CONTEXT).encode(
        TEXTS
    )
    assert rounded.dtype == torch.float32
    assert (rounded * exact).sum(dim=1).min() > 0.99


def test_the_stand_in_tokenizer_stays_in_range() -> None:
    tokenizer = stand_in_tokenizer({"context_length": CONTEXT, "vocab_size": 100})
    padded = tokenizer.padded(TEXTS)
    assert padded.shape == (len(TEXTS), CONTEXT)
    assert 0 <= int(padded.min()) <= int(padded.max()) < 100


ENCODED = OpenClipText(network(), BytePairs(SimpleTokenizer(context_length=CONTEXT)), CONTEXT)
ALONE = {text: ENCODED.encode([text]) for text in TEXTS}
