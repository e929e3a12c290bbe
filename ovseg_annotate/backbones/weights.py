"""From the name of some weights to the two towers: `load_clip`.

CONFIGURATION/TAG          weights that open_clip knows: ViT-B-16-quickgelu/openai
mini                       a tower that comes with the package
path/to/folder             a folder of the same kind
random:CONFIGURATION:SEED  numbers of the right shapes, for benchmarks and tests
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import open_clip

from ovseg_annotate.backbones.checkpoints import fill_from_file
from ovseg_annotate.backbones.digests import RANDOM, digest_of_random, sha256_of
from ovseg_annotate.backbones.folder import (
    CONFIG_FILE,
    bundled_folder,
    bundled_names,
    read_folder,
)
from ovseg_annotate.backbones.hub import DownloadProgress, Hub, HuggingFaceHub, Report
from ovseg_annotate.backbones.kinds import supported_configurations
from ovseg_annotate.backbones.network import (
    build_network,
    card_of,
    clip_of,
    context_of,
    fill_at_random,
)
from ovseg_annotate.backbones.published import find_published, published_names
from ovseg_annotate.backbones.tokens import (
    stand_in_tokenizer,
    tokenizer_of_configuration,
    tokenizer_of_folder,
)
from ovseg_annotate.backbones.tower import Clip, TowerCard
from ovseg_annotate.errors import ModelError, listed_by_nearness

__all__ = ["DownloadProgress", "load_clip"]

_LARGEST_SHORT_SIDE = 672
_HUB = HuggingFaceHub()


def load_clip(
    name: str, *, offline: bool = False, progress: Report | None = None, hub: Hub = _HUB
) -> Clip:
    """Load towers by name: on the CPU, in float32, frozen; nothing is fetched unannounced."""
    if name.startswith(RANDOM):
        return _random_clip(name)
    if name in bundled_names():
        return _clip_of_folder(bundled_folder(name), name)
    folder = Path(name).expanduser()
    if (folder / CONFIG_FILE).is_file():
        return _clip_of_folder(folder, name)
    if "/" not in name and open_clip.get_model_config(name) is None:
        there_is = (*bundled_names(), *published_names())
        raise ModelError(
            f"unknown weights {name!r}: not a bundled tower, not a folder with {CONFIG_FILE}, not "
            f"CONFIGURATION/TAG; nearest: {listed_by_nearness(name, there_is, limit=8)}"
        )
    return _published_clip(name, offline=offline, progress=progress, hub=hub)


def _clip_of_folder(path: Path, name: str) -> Clip:
    folder = read_folder(path)
    network = build_network(name, folder.configuration)
    fill_from_file(network, folder.weights)
    own = folder.card
    card = replace(
        card_of(name, folder.configuration, network, sha256_of(folder.weights), own.licence),
        mean=folder.mean,
        std=folder.std,
        templates=own.templates,
        scale=own.scale,
        threshold=own.threshold,
        short_side=own.short_side,
        magnification=own.magnification,
        overlap=own.overlap,
        known_words=own.known_words,
    )
    tokenizer = tokenizer_of_folder(folder.merges, context_of(folder.configuration))
    return clip_of(network, folder.configuration, card, tokenizer)


def _published_clip(name: str, *, offline: bool, progress: Report | None, hub: Hub) -> Clip:
    wanted = find_published(name)
    configuration = open_clip.get_model_config(wanted.configuration)
    # The tokenizer may be missing: better known before a long download than after it.
    tokenizer = tokenizer_of_configuration(wanted.configuration, configuration["text_cfg"])
    file = hub.fetch(wanted, offline=offline, report=progress)
    network = build_network(wanted.configuration, configuration)
    fill_from_file(network, file)
    card = card_of(name, configuration, network, sha256_of(file), wanted.licence)
    card = replace(card, mean=wanted.mean, std=wanted.std, short_side=_usual_short_side(card))
    return clip_of(network, configuration, card, tokenizer)


def _random_clip(name: str) -> Clip:
    configured, _, seed = name.removeprefix(RANDOM).partition(":")
    configuration = open_clip.get_model_config(configured)
    if configuration is None or not (seed or "0").isdecimal():
        raise ModelError(
            f"expected {RANDOM}CONFIGURATION or {RANDOM}CONFIGURATION:SEED, got {name!r}; "
            f"nearest: {listed_by_nearness(configured, supported_configurations(), limit=8)}"
        )
    network = build_network(configured, configuration)
    fill_at_random(network, int(seed or "0"))
    card = card_of(name, configuration, network, digest_of_random(name), "none (random)")
    card = replace(card, short_side=_usual_short_side(card))
    return clip_of(network, configuration, card, stand_in_tokenizer(configuration["text_cfg"]))


def _usual_short_side(card: TowerCard) -> int:
    """Twice the window, within what the papers use: 336 px and more for windows of 224.

    Cells of 16 px cap what can be reached at about 76 mIoU: a larger picture has finer cells.
    """
    return min(2 * min(card.window.height, card.window.width), _LARGEST_SHORT_SIDE)
