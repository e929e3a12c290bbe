"""All that a head learns from and is judged by: features of windows, and what is known of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from ovseg_annotate.engine import FineTunable, tensors_of
from ovseg_annotate.errors import RunError
from ovseg_annotate.fine_tuning.known import UNKNOWN, Known
from ovseg_annotate.lessons.taught import Taught
from ovseg_annotate.run_folder.writing import write_whole
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.vocabulary import Vocabulary

_FEATURES = "features."
_AT_ONCE = 8  # windows through a head


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Windows of equal size, in the order of their pictures."""

    features: Mapping[str, Tensor]  # windows first, by field of the engine's features
    certain: Tensor  # (windows, rows, columns) int16, see `known.Known`
    rejected: Tensor  # the same
    guessed: Tensor  # the same: what the version in service is sure of where nobody looked
    pictures: Tensor  # (windows,) int32, number of the picture
    vectors: Tensor  # (concepts, width): all that the head is told of the words

    def __len__(self) -> int:
        return len(self.certain)

    def windows(self, chosen: Tensor | slice) -> Material:
        """Some of them."""
        return Material(
            {name: value[chosen] for name, value in self.features.items()},
            self.certain[chosen],
            self.rejected[chosen],
            self.guessed[chosen],
            self.pictures[chosen],
            self.vectors,
        )

    def with_guesses(self, guessed: Tensor) -> Material:
        return replace(self, guessed=guessed)

    def split(self) -> list[Material]:
        """As many windows at a time as a head should be asked at once."""
        starts = range(0, len(self), _AT_ONCE)
        return [self.windows(slice(start, start + _AT_ONCE)) for start in starts]


def material_of(features: object, known: Known, picture: int, vectors: Tensor) -> Material:
    """The windows of one picture; nothing is guessed yet."""
    own = {name: value.contiguous() for name, value in tensors_of(features).items()}
    certain = torch.from_numpy(known.certain)
    return Material(
        own,
        certain,
        torch.from_numpy(known.rejected),
        torch.full_like(certain, UNKNOWN),
        torch.full((len(known.certain),), picture, dtype=torch.int32),
        vectors,
    )


def joined_material(parts: Sequence[Material]) -> Material:
    """The windows of several pictures with the same words."""
    return Material(
        {name: torch.cat([part.features[name] for part in parts]) for name in parts[0].features},
        torch.cat([part.certain for part in parts]),
        torch.cat([part.rejected for part in parts]),
        torch.cat([part.guessed for part in parts]),
        torch.cat([part.pictures for part in parts]),
        parts[0].vectors,
    )


def guesses(scores: Sequence[ClassScores], known: Known, sure: float) -> Tensor:
    """(windows, rows, columns) int16: the winner where nobody looked and it is far ahead."""
    values = torch.cat([each.values for each in scores])
    best = values.topk(min(2, values.shape[1]), dim=1)
    ahead = best.values[:, 0] - (best.values[:, 1] if best.values.shape[1] > 1 else 0.0)
    unseen = torch.from_numpy((known.certain == UNKNOWN) & (known.rejected == UNKNOWN))
    winner = best.indices[:, 0].to(torch.int16)
    return torch.where(unseen & (ahead >= sure), winner, UNKNOWN)


@torch.inference_mode()
def scores_of(
    engine: FineTunable,
    head: torch.nn.Module,
    windows: Material,
    vocabulary: Vocabulary,
    taught: Taught | None = None,
) -> ClassScores:
    """What a head, and what was taught on top of it, say of some windows; on the CPU."""
    device = next(head.parameters()).device
    features = on_device(engine, windows.features, device)
    logits = engine.logits(head, features, windows.vectors.to(device))
    scores = ClassScores(logits.sigmoid(), competing=False, vocabulary=vocabulary)
    if taught is not None:
        scores = taught.applied(scores, None)
    return ClassScores(scores.values.float().cpu(), competing=False, vocabulary=vocabulary)


def on_device(engine: FineTunable, features: Mapping[str, Tensor], device: torch.device) -> object:
    """Features as the engine makes them."""
    kind = engine.features_kind
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: features[name].to(device) for name in names})


def write_material(path: Path, material: Material) -> None:
    """In the safetensors format, there as a whole or not at all."""
    tensors = {f"{_FEATURES}{name}": value for name, value in material.features.items()}
    for field in dataclasses.fields(material)[1:]:
        tensors[field.name] = getattr(material, field.name).contiguous()
    write_whole(path, save(tensors))


def read_material(path: Path) -> Material:
    try:
        tensors = load_file(path)
        features = {
            name.removeprefix(_FEATURES): value
            for name, value in tensors.items()
            if name.startswith(_FEATURES)
        }
        names = [field.name for field in dataclasses.fields(Material)[1:]]
        return Material(features, *(tensors[name] for name in names))
    except Exception as error:  # what is no safetensors file fails in ways of its own
        raise RunError(
            f"cannot read {path}: {error}; remove its folder to begin this fine-tuning again"
        ) from error
