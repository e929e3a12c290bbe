"""PGSeg that begins with a tower: its text half, and its image half as a stem below all groups.

This is ours, for trainings that are too small to learn to see. The tower's parts stay as they are.
What stands on them begins by doing little: cells join the centre that they are most like, a group
is the mean of its cells, and both halves are projected as the tower projects them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ovseg_annotate.backbones.checkpoints import read_state
from ovseg_annotate.backbones.folder import TowerFolder, bundled_folder, bundled_names, read_folder
from ovseg_annotate.backbones.group_network import PIXEL_MEAN, PIXEL_STD, PgsegNetwork
from ovseg_annotate.errors import WeightsError
from ovseg_annotate.grouping.assignment import GroupingBlock
from ovseg_annotate.grouping.layers import Projection, TokenBlock

# Names behind a block's number: the tower's, ours.
_BLOCK = {
    "ln_1": "norm1",
    "attn.in_proj_": "qkv.",
    "attn.out_proj": "proj",
    "ln_2": "norm2",
    "mlp.c_fc": "mlp.first",
    "mlp.c_proj": "mlp.second",
}
_SHARPNESS = 2.0  # of cells choosing groups
_CELLS_OVER_CENTRE = 6.0  # in a group
_VISION_BLOCK = "visual.transformer.resblocks."


def tower_folder(name: str) -> TowerFolder:
    """A tower of the package, or of a folder."""
    bundled = name in bundled_names()
    return read_folder(bundled_folder(name) if bundled else Path(name).expanduser())


def frozen_state(network: PgsegNetwork) -> dict[str, Tensor]:
    """The weights that belong to the tower."""
    frozen = {name for name, value in network.named_parameters() if not value.requires_grad}
    return {name: value for name, value in network.state_dict().items() if name in frozen}


@torch.no_grad()
def begin_with_tower(network: PgsegNetwork, tower: TowerFolder) -> None:
    """Copy the halves of a vision transformer of open_clip and freeze them; begin where it ends."""
    state = {name: value.float() for name, value in read_state(tower.weights).items()}
    if network.image.stem is None or tower.configuration.get("quick_gelu"):
        raise WeightsError(
            f"{tower.path} cannot be begun with: the recipe needs a stem of 1 block or more, and "
            "the tower ordinary GELU activations"
        )
    table = state["visual.positional_embedding"]
    weight, bias = _for_our_pixels(state["visual.conv1.weight"], tower)
    image = {
        "embed.weight": weight,
        "embed.bias": bias,
        "embed_norm.weight": state["visual.ln_pre.weight"],
        "embed_norm.bias": state["visual.ln_pre.bias"],
        "positions": table[None, 1:],
    }
    norm = (state["visual.ln_pre.weight"], state["visual.ln_pre.bias"])
    lead = state["visual.class_embedding"] + table[0]
    image["stem.lead"] = nn.functional.layer_norm(lead, lead.shape, *norm)[None, None]
    for number in range(network.sizes.stem):
        image |= _block(state, number, tower)
    words = _words(network, state, tower)
    for module, weights in ((network.image, image), (network.text.tower, words)):
        _copy(module, weights, tower)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name not in weights)
    network.image.norm.weight.copy_(state["visual.ln_post.weight"])
    network.image.norm.bias.copy_(state["visual.ln_post.bias"])
    _begin_as(network.image_projection, state["visual.proj"], tower)
    _begin_as(network.text_projection, state["text_projection"], tower)
    for stage in network.image.stages:
        _begin_with_little(stage)


def _words(
    network: PgsegNetwork, state: Mapping[str, Tensor], tower: TowerFolder
) -> dict[str, Tensor]:
    """The text half; its last block has to be our last block, too."""
    blocks = {name for name in state if name.startswith("transformer.resblocks.")}
    words = {name: state[name] for name in network.text.tower.state_dict() if name in state}
    expected = network.text.tower.state_dict().keys()
    if expected - words.keys() or blocks - expected:
        raise WeightsError(
            f"{tower.path} cannot be begun with: its text half has other blocks than the recipe's "
            f"{network.sizes.text_layers} text_layers; bring them in line"
        )
    return words


def _begin_as(projection: Projection, matrix: Tensor, tower: TowerFolder) -> None:
    """What is above nothing in one half of the hidden layer and what is below in the other."""
    hidden, shared = projection.first.out_features, projection.second.out_features
    if hidden != 2 * shared or shared != matrix.shape[1]:
        raise WeightsError(
            f"{tower.path} projects to {matrix.shape[1]} numbers; the recipe's size 'shared' has "
            f"to be that and 'hidden' twice that, got {shared} and {hidden}"
        )
    projection.first.weight.copy_(torch.cat([matrix.T, -matrix.T]))
    projection.second.weight.copy_(torch.cat([torch.eye(shared), -torch.eye(shared)], dim=1))
    for layer in (projection.first, projection.second):
        nn.init.zeros_(layer.bias)


def _begin_with_little(stage: nn.Module) -> None:
    for part in stage.modules():
        if isinstance(part, TokenBlock):
            last = [part.proj, part.mlp.second]
        elif isinstance(part, GroupingBlock):
            last = [part.rest.second, part.feed.second]
            for layer in (part.queries, part.keys, part.values, part.merge):
                nn.init.eye_(layer.weight)
                nn.init.zeros_(layer.bias)
            part.queries.weight *= _SHARPNESS
            part.merge.weight *= _CELLS_OVER_CENTRE
        else:
            continue
        for layer in last:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)


def _for_our_pixels(weight: Tensor, tower: TowerFolder) -> tuple[Tensor, Tensor]:
    """The first convolution, for pixels that are normalised as ours are."""
    own_mean, own_std = torch.tensor(PIXEL_MEAN), torch.tensor(PIXEL_STD)
    mean, std = torch.tensor(tower.mean), torch.tensor(tower.std)
    shift = ((own_mean - mean) / std).view(1, 3, 1, 1)
    return weight * (own_std / std).view(1, 3, 1, 1), (weight * shift).sum(dim=(1, 2, 3))


def _block(state: Mapping[str, Tensor], number: int, tower: TowerFolder) -> dict[str, Tensor]:
    beginning = f"{_VISION_BLOCK}{number}."
    names = [name for name in state if name.startswith(beginning)]
    if not names:
        raise WeightsError(f"{tower.path} has {number} blocks; choose a stem that has no more")
    block = {}
    for name in names:
        ours = name.removeprefix(beginning)
        for theirs, other in _BLOCK.items():
            ours = ours.replace(theirs, other)
        block[f"stem.blocks.{number}.{ours}"] = state[name]
    return block


def _copy(module: nn.Module, weights: Mapping[str, Tensor], tower: TowerFolder) -> None:
    expected = module.state_dict()
    for name, value in weights.items():
        wanted = expected[name].shape if name in expected else None
        if wanted != value.shape:
            raise WeightsError(
                f"{tower.path} cannot be begun with: {name} has shape {tuple(value.shape)} there, "
                f"the recipe's sizes ask for {wanted}; bring them in line with the tower"
            )
    module.load_state_dict(weights, strict=False)
