"""The published fixtures of PGSeg by our names, and networks so small that they cost nothing."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch
from engines.fixture_tower import tensors_of
from torch import Tensor, nn

from ovseg_annotate.backbones.group_network import PgsegNetwork
from ovseg_annotate.backbones.group_text import published_merges
from ovseg_annotate.backbones.group_vit import GroupSizes
from ovseg_annotate.backbones.group_weights import PgsegParts
from ovseg_annotate.backbones.system_folder import SystemCard, write_system
from ovseg_annotate.backbones.tokenizer_subset import read_merges, vocabulary_size

ENCODER = "pgseg_image_encoder"
ENCODER_SIZES = GroupSizes(  # as pgseg_image_encoder.json has them
    image=96,
    patch=16,
    width=40,
    heads=4,
    depths=(2, 1, 1),
    groups=(10, 4),
    hidden=40,
    shared=24,
    text_width=8,
    text_heads=1,
    text_layers=1,
    text_tokens=12,
    vocabulary=30,
)
TINY = GroupSizes(
    image=32,
    patch=8,
    width=16,
    heads=2,
    depths=(1, 1, 1),
    groups=(6, 4),
    hidden=12,
    shared=10,
    text_width=8,
    text_heads=2,
    text_layers=1,
    text_tokens=20,
    vocabulary=vocabulary_size(read_merges(published_merges())),
)


def assert_relative(ours: Tensor, published: Tensor, share: float = 1e-5) -> None:
    """Equal within a share of the largest value."""
    assert ours.shape == published.shape
    largest = published.abs().max().item()
    assert largest > 1e-3
    torch.testing.assert_close(ours, published, atol=share * largest, rtol=0.0)


def published_encoder() -> dict[str, Tensor]:
    """The weights of the fixture as a checkpoint of the authors names them."""
    beginning = "weights."
    return {
        name.removeprefix(beginning): value
        for name, value in tensors_of(ENCODER).items()
        if name.startswith(beginning)
    }


def published_checkpoint() -> dict[str, Tensor]:
    """The fixture's image half with a text half and the defects of the released file."""
    state = published_encoder()
    generator = torch.Generator().manual_seed(0)
    sizes = ENCODER_SIZES
    reader = PgsegNetwork(sizes).text.tower.state_dict()
    for name, value in reader.items():
        state[f"text_encoder.{name}"] = torch.randn(value.shape, generator=generator) * 0.1
    for part, width in (("text_projector", 8), ("img_encoder.mapping_text", 40)):
        out = sizes.shared if part == "text_projector" else sizes.text_width
        shapes = {
            "linear_hidden.0.weight": (sizes.hidden, width, 1),
            "linear_hidden.0.bias": (sizes.hidden,),
            "linear_hidden.1.weight": (sizes.hidden,),
            "linear_hidden.1.bias": (sizes.hidden,),
            "linear_hidden.1.running_mean": (sizes.hidden,),
            "linear_out.weight": (out, sizes.hidden, 1),
            "linear_out.bias": (out,),
        }
        for name, shape in shapes.items():
            state[f"{part}.{name}"] = torch.randn(shape, generator=generator) * 0.1
        state[f"{part}.linear_hidden.1.running_var"] = torch.ones(sizes.hidden)
    for name in [name for name in state if name.endswith("running_mean")]:
        state[name.replace("running_mean", "num_batches_tracked")] = torch.tensor(3)
    state["logit_scale"] = torch.tensor(14.285714).log()
    state["text_encoder.Atten.mu"] = torch.randn(1, 8, 1, generator=generator)
    return state


def write_checkpoint(file: Path, state: dict[str, Tensor]) -> Path:
    torch.save({"model": state, "epoch": 29}, file)
    return file


def tiny_network(sizes: GroupSizes = TINY, seed: int = 0) -> PgsegNetwork:
    """Weights that are far from any symmetry."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PgsegNetwork(sizes)
        shaken(network)
    return network.eval()


@torch.no_grad()
def shaken(module: nn.Module) -> None:
    for weights in module.parameters():
        weights.add_(torch.randn(weights.shape), alpha=0.2)


def write_tiny_system(folder: Path, parts: PgsegParts | None = None) -> Path:
    """A folder for pgseg@FOLDER."""
    parts = parts or PgsegParts(sizes=TINY, window=32, short_side=None, template="{}")
    card = SystemCard(system="pgseg", parts=asdict(parts), trained_steps=3)
    write_system(folder, card, tiny_network(parts.sizes).state_dict())
    return folder
