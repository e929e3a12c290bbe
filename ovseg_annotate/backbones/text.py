"""Text towers of open_clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from open_clip import CLIP
from open_clip.transformer import TextTransformer
from torch import Tensor, nn
from torch.nn import functional

from ovseg_annotate.backbones.tokens import Tokenizer
from ovseg_annotate.errors import VocabularyError

_BATCH = 64  # texts at a time: enough to fill the products, little memory


class OpenClipText:
    """A TextTower over any open_clip network that has `encode_text`."""

    def __init__(self, network: Any, tokenizer: Tokenizer, longest_phrase: int) -> None:
        self._tokenizer = tokenizer
        self._longest = longest_phrase
        self._encoder: _Encoder
        if _is_causal(network):
            self._encoder = _CausalEncoder(network)
        else:
            self._encoder = _PaddedEncoder(network, tokenizer)

    @property
    def longest_phrase(self) -> int:
        return self._longest

    def token_count(self, text: str) -> int:
        return len(self._tokenizer.ids(text))

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        return self.encode_learning(texts)

    def encode_learning(self, texts: Sequence[str]) -> Tensor:
        if not texts:
            raise VocabularyError("expected at least one text to encode, got none")
        ids = [self._tokenizer.ids(text) for text in texts]
        for text, tokens in zip(texts, ids, strict=True):
            self._refuse_long(text, len(tokens))
        order = sorted(range(len(texts)), key=lambda index: ids[index])  # alike ones together
        encoded = [
            self._encoder([texts[index] for index in batch], [ids[index] for index in batch])
            for batch in _batches(order)
        ]
        places = torch.tensor(order, device=encoded[0].device).argsort()
        return functional.normalize(torch.cat(encoded).float(), dim=-1)[places]

    def _refuse_long(self, text: str, tokens: int) -> None:
        if tokens > self._longest:
            raise VocabularyError(
                f"the text {text!r} has {tokens} tokens, start and end marks included; this tower "
                f"reads at most {self._longest}; shorten it or split it into several phrases"
            )


class _Encoder(Protocol):
    def __call__(self, texts: Sequence[str], ids: Sequence[list[int]]) -> Tensor:
        """(texts, shared width); texts and their tokens."""


class _CausalEncoder:
    """Runs a causal tower over many texts as one tree, without a token read twice.

    A token of a causal tower sees only the tokens before it. So what stands behind the end mark,
    where the answer is read, need not be there, and a beginning that texts share ("a photo of a")
    is read once for all of them.
    """

    def __init__(self, network: Any) -> None:
        self._tower = _tower_of(network)
        self._end_mark: int | None = None  # None: the end mark is the highest number
        if _pooling(network) == "eos":
            unpacked = isinstance(network, CLIP)
            self._end_mark = network.text_eos_id if unpacked else self._tower.eos_id

    def __call__(self, texts: Sequence[str], ids: Sequence[list[int]]) -> Tensor:
        tower = self._tower
        device = tower.token_embedding.weight.device
        tree = _Tree.of([row[: self._end_of(row) + 1] for row in ids])
        dtype = tower.transformer.get_cast_dtype()
        tokens = tower.token_embedding(torch.tensor(tree.tokens, device=device)).to(dtype)
        tokens = tokens + tower.positional_embedding[torch.tensor(tree.places)].to(dtype)
        mask = tree.attention_mask().to(device)
        tokens = tower.transformer(tokens[None], attn_mask=mask)[0]
        return self._projected(tower.ln_final(tokens[torch.tensor(tree.ends, device=device)]))

    def _end_of(self, row: list[int]) -> int:
        return row.index(max(row) if self._end_mark is None else self._end_mark)

    def _projected(self, read: Tensor) -> Tensor:
        projection = self._tower.text_projection
        if projection is None:
            return read
        linear = isinstance(projection, nn.Linear)
        projected: Tensor = projection(read) if linear else read @ projection
        return projected


@dataclass(frozen=True, slots=True)
class _Tree:
    """Token rows merged where they begin alike; a node is one token behind one beginning."""

    tokens: list[int]  # of each node; a parent stands before its children
    places: list[int]  # of each node in its row, from 0
    parents: list[int]  # number of the node before; -1 for a first token
    ends: list[int]  # of each row, the node of its last token

    @classmethod
    def of(cls, rows: Sequence[list[int]]) -> _Tree:
        tree = cls([], [], [], [])
        known: dict[tuple[int, int], int] = {}
        for row in rows:
            node = -1
            for place, token in enumerate(row):
                step = (node, token)
                if step not in known:
                    known[step] = len(tree.tokens)
                    tree.tokens.append(token)
                    tree.places.append(place)
                    tree.parents.append(node)
                node = known[step]
            tree.ends.append(node)
        return tree

    def attention_mask(self) -> Tensor:
        """(nodes, nodes): 0 where a node sees another, itself and those before it, else -inf."""
        sees = torch.eye(len(self.tokens), dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                sees[node] |= sees[parent]
        return torch.zeros(sees.shape).masked_fill_(~sees, float("-inf"))


class _PaddedEncoder:
    """The ordinary path: towers that look both ways, or pool a fixed place, need every pad."""

    def __init__(self, network: Any, tokenizer: Tokenizer) -> None:
        self._network = network
        self._tokenizer = tokenizer

    def __call__(self, texts: Sequence[str], ids: Sequence[list[int]]) -> Tensor:
        device = next(self._network.parameters()).device
        encoded: Tensor = self._network.encode_text(self._tokenizer.padded(texts).to(device))
        return encoded


def _tower_of(network: Any) -> Any:
    """open_clip unpacks a plain text tower into the network itself."""
    return network if isinstance(network, CLIP) else network.text


def _pooling(network: Any) -> str:
    return str(network.text_pool_type if isinstance(network, CLIP) else network.text.pool_type)


def _is_causal(network: Any) -> bool:
    tower = _tower_of(network)
    if not isinstance(tower, (CLIP, TextTransformer)) or tower.attn_mask is None:
        return False
    appends_token = getattr(tower, "cls_emb", None) is not None  # CoCa reads behind the padding
    return not appends_token and _pooling(network) in ("argmax", "eos")


def _batches(order: Sequence[int]) -> Iterator[Sequence[int]]:
    return (order[start : start + _BATCH] for start in range(0, len(order), _BATCH))
