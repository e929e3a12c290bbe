"""The weights that open_clip knows by name, and what it says of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import open_clip

from ovseg_annotate.backbones.kinds import require_kind, supported_configurations
from ovseg_annotate.errors import ModelError, WeightsError, listed_by_nearness

_SAFE_FILE = "open_clip_model.safetensors"
_OTHER_FILE = "open_clip_pytorch_model.bin"
_QUICK_SUFFIX = "-quickgelu"

# As the pages of the repositories say. The first text that a repository's name holds counts.
_LICENCES = (
    ("metaclip", "CC-BY-NC-4.0"),
    (".openai", "MIT"),
    (".laion", "MIT"),
    ("laion/", "MIT"),
    ("apple/DFN", "Apple sample code licence"),
    ("MobileCLIP", "Apple, research only (apple-amlr)"),
    ("SigLIP", "Apache-2.0"),
    ("timm/eva", "MIT"),
    ("visheratin/", "CC-BY-NC-4.0"),
)


@dataclass(frozen=True, slots=True)
class Published:
    """Weights on the Hugging Face Hub."""

    configuration: str  # open_clip's name of the network
    tag: str  # open_clip's name of the training
    repository: str
    files: tuple[str, ...]  # any one of them holds the weights; the first is preferred
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    licence: str

    @property
    def name(self) -> str:
        return f"{self.configuration}/{self.tag}"


def published_names() -> tuple[str, ...]:
    """Every CONFIGURATION/TAG that can be loaded, with the right activation."""
    usable = set(supported_configurations())
    return tuple(
        f"{configuration}/{tag}"
        for configuration, tag in open_clip.list_pretrained()
        if configuration in usable and _activations_agree(configuration, tag)
    )


def find_published(name: str) -> Published:
    """Look up CONFIGURATION/TAG; refuse what would run wrongly or not at all."""
    configuration, _, tag = name.partition("/")
    network = open_clip.get_model_config(configuration)
    if network is None:
        raise ModelError(
            f"unknown configuration {configuration!r} in {name!r}; nearest: "
            f"{listed_by_nearness(configuration, supported_configurations(), limit=8)}"
        )
    require_kind(configuration, network)
    tags = open_clip.list_pretrained_tags_by_model(configuration)
    if tag not in tags:
        raise ModelError(_unknown_tag(name, configuration, tag, tags))
    if not _activations_agree(configuration, tag):
        raise WeightsError(_wrong_activation(name, configuration, tag))
    about: dict[str, Any] = open_clip.get_pretrained_cfg(configuration, tag)
    repository, files = _place(about["hf_hub"])
    return Published(
        configuration,
        tag,
        repository,
        files,
        tuple(about["mean"]),
        tuple(about["std"]),
        _licence_of(repository),
    )


def _unknown_tag(name: str, configuration: str, tag: str, tags: list[str]) -> str:
    if not tags:
        return (
            f"there are no published weights for {configuration}; choose one of: "
            f"{listed_by_nearness(name, published_names(), limit=8)}"
        )
    given = f"unknown weights {tag!r}" if tag else "no weights are named"
    choices = ", ".join(
        f"{configuration}/{known}" for known in listed_by_nearness(tag, tags).split(", ")
    )
    return f"{given} for {configuration}; there is: {choices}"


def _activations_agree(configuration: str, tag: str) -> bool:
    """Weights trained with QuickGELU give wrong features with GELU, and no error."""
    network = open_clip.get_model_config(configuration)
    about = open_clip.get_pretrained_cfg(configuration, tag)
    return bool(network.get("quick_gelu", False)) == bool(about.get("quick_gelu", False))


def _wrong_activation(name: str, configuration: str, tag: str) -> str:
    about = open_clip.get_pretrained_cfg(configuration, tag)
    trained = "QuickGELU" if about.get("quick_gelu", False) else "GELU"
    other = configuration.removesuffix(_QUICK_SUFFIX)
    if trained == "QuickGELU":
        other += _QUICK_SUFFIX
    there_is = tag in open_clip.list_pretrained_tags_by_model(other)
    advice = f"use {other}/{tag}" if there_is else "choose other weights"
    return (
        f"{name}: these weights were trained with {trained}, the configuration {configuration} "
        f"runs without it and would give wrong features; {advice}"
    )


def _place(hub: str) -> tuple[str, tuple[str, ...]]:
    """Repository and files of open_clip's "owner/repository/file", where the file may be absent."""
    owner, repository, file = hub.split("/", 2)
    if not file:
        return f"{owner}/{repository}", (_SAFE_FILE, _OTHER_FILE)
    safe = str(PurePosixPath(file).with_suffix(".safetensors"))
    return f"{owner}/{repository}", (safe, file)


def _licence_of(repository: str) -> str:
    for part, licence in _LICENCES:
        if part in repository:
            return licence
    return f"unknown; see https://huggingface.co/{repository}"
