"""The weights of PGSeg: those of our trainings, and the files that its authors published."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from ovseg_annotate.backbones.checkpoints import fill, read_state
from ovseg_annotate.backbones.digests import sha256_of
from ovseg_annotate.backbones.group_checkpoint import read_group_checkpoint
from ovseg_annotate.backbones.group_network import PgsegNetwork
from ovseg_annotate.backbones.group_start import begin_with_tower, frozen_state, tower_folder
from ovseg_annotate.backbones.group_text import published_merges
from ovseg_annotate.backbones.group_vit import GroupSizes
from ovseg_annotate.backbones.system_folder import SystemFolder
from ovseg_annotate.errors import OptionError, WeightsError
from ovseg_annotate.options import digest_text, read_options

_PUBLISHED_WINDOW = 2  # times the training size, which is also the short side
_TRAINING_ONLY = ("word_memory.", "words_of_groups.", "image.npr_scale")
_OF_PROTOTYPES = ("memory.", "reconstruct.")  # in each of the first two stages


@dataclass(frozen=True, slots=True)
class PgsegParts:
    """What some weights belong to, and how they are used."""

    sizes: GroupSizes = field(default_factory=GroupSizes)
    prototypes: bool = True  # cells are said in prototypes before they join groups
    template: str = "a photo of a {}."
    window: int = 448  # pixels, both sides
    short_side: int | None = 448  # bring pictures to it; None: as they are, times:
    magnification: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class GroupWeights:
    """Weights that were found and loaded."""

    network: PgsegNetwork
    parts: PgsegParts
    merges: Path
    name: str  # as in ENGINE@WEIGHTS, the part after the @
    digest: str
    licence: str
    threshold: float | None
    known_words: tuple[str, ...]


def load_trained(folder: SystemFolder) -> GroupWeights:
    """The weights of a training of ours."""
    try:
        parts = read_options(PgsegParts, folder.card.parts)
    except OptionError as error:
        raise WeightsError(f"{folder.path}: {error}; train the system again") from error
    network = PgsegNetwork(parts.sizes)
    state = {
        name: value.float() if value.is_floating_point() else value
        for name, value in read_state(folder.weights).items()
    }
    merges = published_merges()
    if folder.card.tower:
        tower = tower_folder(folder.card.tower)
        folder.check_tower(sha256_of(tower.weights))
        begin_with_tower(network, tower)
        state |= frozen_state(network)
        merges = tower.merges
    fill(network, state, folder.weights)
    return GroupWeights(
        network=network,
        parts=parts,
        merges=merges,
        name=folder.name,
        digest=folder.digest,
        licence=folder.card.licence,
        threshold=folder.card.threshold,
        known_words=folder.card.known_words,
    )


def load_published(file: Path, name: str, heads: int | None = None) -> GroupWeights:
    """A checkpoint of PGSeg or GroupViT; `heads` where its network is not a published one."""
    found = read_group_checkpoint(file, heads)
    network = PgsegNetwork(found.sizes)
    # What only training needs may be missing, and all that prototypes need in a plain GroupViT.
    unread: tuple[str, ...] = _TRAINING_ONLY
    if not found.prototypes:
        unread += tuple(f"image.stages.{n}.{part}" for n in (0, 1) for part in _OF_PROTOTYPES)
    missing = {key: own for key, own in network.state_dict().items() if key.startswith(unread)}
    fill(network, {**missing, **found.state}, file)
    side = _PUBLISHED_WINDOW * found.sizes.image
    parts = PgsegParts(found.sizes, found.prototypes, window=side, short_side=side)
    return GroupWeights(
        network=network,
        parts=parts,
        merges=published_merges(),
        name=name,
        digest=hashlib.sha256(f"{sha256_of(file)} {digest_text(parts)}".encode()).hexdigest(),
        licence="NVIDIA Source Code License (not commercial)",
        threshold=None,
        known_words=(),
    )
