"""Pictures and their texts find one another among all of a batch."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

# sum: both directions added up, as S-Seg has it; half: their mean, as GroupViT has it.
Reduction: TypeAlias = Literal["sum", "half"]


def picture_text_contrast(
    pictures: Tensor, texts: Tensor, scale: Tensor, reduction: Reduction = "sum"
) -> Tensor:
    """(pairs, width) each, of any length; row i of both is one pair."""
    pictures = gathered(functional.normalize(pictures.float(), dim=-1))
    texts = gathered(functional.normalize(texts.float(), dim=-1))
    logits = scale * pictures @ texts.T
    own = torch.arange(len(logits), device=logits.device)
    loss = functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)
    return loss if reduction == "sum" else loss / 2


def gathered(rows: Tensor) -> Tensor:
    """The rows of all processes that train together, in their order; gradients find their way."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return rows
    from torch.distributed.nn.functional import all_gather  # noqa: PLC0415  needs distributed

    return torch.cat(cast(tuple[Tensor, ...], all_gather(rows)))  # type: ignore[no-untyped-call]
