"""Weights files: read safely, checked, and put into a network."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict
from safetensors.torch import load_file
from torch import Tensor, nn

from ovseg_annotate.errors import WeightsError

_ALWAYS_REBUILT = ("text.transformer.embeddings.position_ids", "attn_mask")
# Scale and shift of the training loss: files differ in their shape, some lack one, none is read.
_TRAINING_ONLY = ("logit_scale", "logit_bias")

TORCH_ENDINGS = (".pth", ".pt", ".bin")  # of files that torch wrote

# A training checkpoint keeps more beside the weights; detectron2's has them in "model".
_INSIDE = ("state_dict", "model")


def fill_from_file(network: nn.Module, file: Path) -> None:
    """Put the weights of a tower's file into its network."""
    fill_tower(network, read_state(file), file)


def fill_tower(network: nn.Module, state: dict[str, Tensor], file: Path) -> None:
    """Put a tower's weights into its network, whichever program named them."""
    fill(network, _as_expected(network, state), file)


def fill(network: nn.Module, state: Mapping[str, Tensor], file: Path) -> None:
    """Put weights of a file into a network, every tensor named and shaped as it expects."""
    expected = network.state_dict()
    for name, weights in state.items():
        if name in expected and weights.shape != expected[name].shape:
            raise WeightsError(
                f"{file}: tensor {name} has shape {tuple(weights.shape)}, the network needs "
                f"{tuple(expected[name].shape)}; the file belongs to another configuration"
            )
        if not torch.isfinite(weights).all():
            raise WeightsError(
                f"{file}: tensor {name} holds NaN or infinite numbers; the file is damaged, "
                "delete it and fetch or make it again"
            )
    missing = sorted(expected.keys() - state.keys())
    if missing:
        raise WeightsError(
            f"{file}: {len(missing)} tensors are missing, the first is {missing[0]}; the file "
            "belongs to another configuration"
        )
    surplus = sorted(state.keys() - expected.keys())
    if surplus:
        raise WeightsError(
            f"{file}: the network has no place for {len(surplus)} tensors, the first is "
            f"{surplus[0]}; the file belongs to another configuration"
        )
    network.load_state_dict(state)


def read_state(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a torch file that holds nothing but tensors."""
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        loaded: Any = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(f"{file} cannot be read: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{file} is not a plain table of tensors and could run code when opened; it was not "
            "opened; convert it to safetensors where you trust it"
        ) from error
    except Exception as error:  # a damaged pickle makes torch fail in any way there is
        raise WeightsError(
            f"{file} is damaged or not a weights file ({error}); delete it and fetch it again"
        ) from error
    return _tensors_of(loaded, file)


def _tensors_of(loaded: Any, file: Path) -> dict[str, Tensor]:
    for inside in _INSIDE:
        if isinstance(loaded, dict) and isinstance(loaded.get(inside), dict):
            loaded = loaded[inside]
            break
    tensors = isinstance(loaded, dict) and all(isinstance(each, Tensor) for each in loaded.values())
    if not tensors:
        raise WeightsError(
            f"{file}: expected a table of named tensors, got {type(loaded).__name__}; "
            "choose the file that holds the weights"
        )
    return dict(loaded)


def _as_expected(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename what older files and other training programs name differently."""
    state = {name.removeprefix("module."): weights for name, weights in state.items()}
    state = convert_state_dict(network, state)
    if not hasattr(network, "positional_embedding"):  # the text tower is a module of its own
        state = convert_to_custom_text_state_dict(state)
    expected = network.state_dict()
    for name in _ALWAYS_REBUILT:
        if name not in expected:
            state.pop(name, None)
    for name in _TRAINING_ONLY:
        given = state.pop(name, torch.zeros(1))
        if name in expected:
            state[name] = given.reshape(expected[name].shape) if given.numel() == 1 else given
    return state
