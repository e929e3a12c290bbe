"""Trained systems as folders: weights, and a card that says what they are and what they stand on.

ENGINE@mini            assets/mini/ENGINE, comes with the package
ENGINE@path/to/folder  a folder that a training exported
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovseg_annotate.backbones.digests import sha256_of
from ovseg_annotate.backbones.folder import bundled_folder
from ovseg_annotate.errors import ModelError, OptionError, WeightsError
from ovseg_annotate.options import read_options
from ovseg_annotate.plain_data import json_value
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.whole_files import write_whole

if TYPE_CHECKING:
    from torch import Tensor

CARD_FILE = "system.json"
WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True, slots=True)
class SystemCard:
    """What a trained system says of itself."""

    system: str  # the engine that runs it
    tower: str = ""  # as in ENGINE@WEIGHTS, the part after the @; empty: it has its own networks
    tower_digest: str = ""  # of the tower's weights, which the system was trained on
    parts: Mapping[str, object] = field(default_factory=dict)  # what it is made of: its own options
    window: int | None = None  # px, the side it was trained with; None: the tower's
    threshold: float | None = None  # default minimum confidence; None: the engine's own
    licence: str = "Apache-2.0"  # of these weights
    known_words: tuple[str, ...] = ()  # empty: those of the tower
    trained_steps: int = 0


@dataclass(frozen=True, slots=True)
class SystemFolder:
    """A folder that was found and whose card was read; the weights are still on disk."""

    path: Path
    name: str  # as in ENGINE@WEIGHTS, the part after the @
    card: SystemCard

    @property
    def weights(self) -> Path:
        return self.path / WEIGHTS_FILE

    @property
    def digest(self) -> str:
        """Of all weights that answers depend on: the system's and its tower's, and its parts."""
        parts = json.dumps(dict(self.card.parts), sort_keys=True, default=str)
        text = " ".join((sha256_of(self.weights), self.card.tower_digest, parts))
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()

    def check_tower(self, digest: str) -> None:
        """Refuse a tower whose weights are not those that the system was trained on."""
        if digest != self.card.tower_digest:
            raise WeightsError(
                f"{self.path} was trained on the tower {self.card.tower} with weights "
                f"{self.card.tower_digest[:12]}, this one has {digest[:12]}; train it again on "
                "this tower, or bring back the one it was trained on"
            )


def is_system(folder: Path) -> bool:
    return (folder / CARD_FILE).is_file() and (folder / WEIGHTS_FILE).is_file()


def find_system(engine: str, weights: str) -> SystemFolder:
    """The trained weights of an engine by name; nothing is fetched."""
    bundled = bundled_folder(weights) / engine
    folder = bundled if is_system(bundled) else Path(weights).expanduser()
    if not is_system(folder):
        raise ModelError(
            f"there are no trained weights {weights!r} for {engine}: expected mini, or a folder "
            f"with {CARD_FILE} and {WEIGHTS_FILE}; make one with: ovseg train "
            f"recipes/{engine}-mini.toml --export FOLDER"
        )
    card = _read_card(folder / CARD_FILE)
    if card.system != engine:
        raise ModelError(
            f"the weights in {folder} are of {card.system}, not of {engine}; "
            f"write {card.system}@{weights}"
        )
    return SystemFolder(folder, weights, card)


def write_system(folder: Path, card: SystemCard, state: Mapping[str, Tensor]) -> None:
    """Write weights in float16 and the card; each file is replaced in one move."""
    import torch  # noqa: PLC0415  reading cards must not import it
    from safetensors.torch import save  # noqa: PLC0415

    weights = {
        name: (value.detach().cpu().half() if value.is_floating_point() else value).contiguous()
        for name, value in state.items()
    }
    unusable = [name for name, value in weights.items() if not bool(torch.isfinite(value).all())]
    if unusable:
        raise WeightsError(f"weights of {card.system} do not fit float16: {', '.join(unusable)}")
    content = json.dumps(asdict(card), indent=2, default=str) + "\n"
    with explained(folder):
        write_whole(folder / WEIGHTS_FILE, save(weights))
        write_whole(folder / CARD_FILE, content.encode("utf-8"))


def _read_card(file: Path) -> SystemCard:
    try:
        content: Any = json_value(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{file} cannot be read ({error}); copy the folder again") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{file}: expected a table, got {type(content).__name__}")
    parts = content.pop("parts", {})
    if not isinstance(parts, dict):
        raise WeightsError(f"{file}: parts: expected a table, got {type(parts).__name__}")
    try:
        card = read_options(SystemCard, content)
    except (OptionError, TypeError) as error:
        raise WeightsError(f"{file}: {error}") from error
    return SystemCard(**{**asdict(card), "parts": parts, "known_words": card.known_words})
