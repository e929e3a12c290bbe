"""Towers that come as a folder: configuration, weights, merges and a card."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovseg_annotate.errors import OptionError, WeightsError
from ovseg_annotate.options import read_options
from ovseg_annotate.plain_data import json_value

if TYPE_CHECKING:
    from ovseg_annotate.backbones.kinds import Configuration

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
CARD_FILE = "card.json"
MERGES_PATTERN = "bpe*.txt.gz"  # CLIP's byte-pair table, or a part of it

_ASSETS = Path(__file__).parent.parent / "assets"

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class FolderCard:
    """What a folder says of itself; see `TowerCard` for the meaning."""

    licence: str = "unknown"
    templates: str = "short"
    scale: float | None = None
    threshold: float | None = None
    short_side: int | None = None
    magnification: float = 1.0
    overlap: float = 0.5
    known_words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TowerFolder:
    """A folder that was found and whose texts were read; the weights are still on disk."""

    path: Path
    configuration: Configuration
    mean: Colour
    std: Colour
    merges: Path
    card: FolderCard

    @property
    def weights(self) -> Path:
        return self.path / WEIGHTS_FILE


def bundled_names() -> tuple[str, ...]:
    """The towers that come with the package."""
    if not _ASSETS.is_dir():
        return ()
    return tuple(sorted(folder.name for folder in _ASSETS.iterdir() if is_tower(folder)))


def bundled_folder(name: str) -> Path:
    return _ASSETS / name


def is_tower(folder: Path) -> bool:
    return (folder / CONFIG_FILE).is_file() and (folder / WEIGHTS_FILE).is_file()


def read_folder(folder: Path) -> TowerFolder:
    """Read configuration and card; say which file is wrong and how."""
    if not (folder / WEIGHTS_FILE).is_file():
        raise WeightsError(f"{folder} has no {WEIGHTS_FILE}; copy the whole folder again")
    whole = _read_json(folder / CONFIG_FILE)
    try:
        configuration = whole["model_cfg"]
        pixels = whole["preprocess_cfg"]
        mean, std = _colour(pixels["mean"]), _colour(pixels["std"])
        configuration["vision_cfg"], configuration["text_cfg"]
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{folder / CONFIG_FILE} needs model_cfg (with vision_cfg and text_cfg) and "
            f"preprocess_cfg (with mean and std); problem: {error!r}"
        ) from error
    merges = sorted(folder.glob(MERGES_PATTERN))
    if len(merges) != 1:
        raise WeightsError(
            f"{folder} needs one byte-pair table {MERGES_PATTERN}, found {len(merges)}; copy the "
            "whole folder again"
        )
    return TowerFolder(folder, configuration, mean, std, merges[0], _read_card(folder / CARD_FILE))


def _read_card(file: Path) -> FolderCard:
    if not file.is_file():
        return FolderCard()
    content = _read_json(file)
    # A card is also written for people: it may say more than the program needs.
    wanted = [field.name for field in fields(FolderCard)]
    known = {name: content[name] for name in wanted if name in content}
    try:
        return read_options(FolderCard, known)
    except OptionError as error:
        raise WeightsError(f"{file}: {error}") from error


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json_value(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file} cannot be read ({error}); copy the folder again") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{file}: expected a table, got {type(content).__name__}")
    return content


def _colour(values: Any) -> Colour:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
