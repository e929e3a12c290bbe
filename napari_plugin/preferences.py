"""What a person set in napari's preferences; napari keeps it in a file of the plugin's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ovseg_annotate.errors import OptionError

PLUGIN = "ovseg-annotate"


def _default_model() -> str:
    from ovseg_annotate.catalog import DEFAULT_MODEL  # noqa: PLC0415  slow to import

    return DEFAULT_MODEL


@dataclass(frozen=True, slots=True)
class Preferences:
    """The `configurations` of the manifest, read and checked."""

    model: str = field(default_factory=_default_model)  # ENGINE@WEIGHTS
    device: str = "auto"  # auto, cpu, cuda, mps
    annotating_server: str = ""  # where "ovseg serve" annotates; "": this machine does
    server_token_file: Path | None = None  # its token; None: OVSEG_SERVER_TOKEN, if it wants one
    memory_gigabytes: float = 2.0  # of image features
    cache_folder: Path | None = None  # of image features on disk; None: memory only
    disk_gigabytes: float = 20.0
    learning_folder: Path | None = None  # of journals and versions; None: they go with the dock
    server: str = "http://localhost:8080"  # Label Studio
    project: int = 0  # its project to send to; 0: ask


def read_preferences() -> Preferences:
    """The preferences as they are now."""
    from napari.settings import get_plugin_settings  # noqa: PLC0415  slow to import

    settings = get_plugin_settings(PLUGIN)
    inference, label_studio = settings.inference, settings.label_studio
    return Preferences(
        model=preferred_model(),
        device=str(inference.device),
        annotating_server=str(inference.annotating_server).strip(),
        server_token_file=_folder("Token of the server", inference.server_token_file),
        memory_gigabytes=float(inference.memory_gigabytes),
        cache_folder=_folder("Folder for features", inference.cache_folder),
        disk_gigabytes=float(inference.disk_gigabytes),
        learning_folder=_folder("Folder for what is learnt", inference.learning_folder),
        server=str(label_studio.server).strip().rstrip("/"),
        project=int(label_studio.project),
    )


def preferred_model() -> str:
    """The model of the preferences, whatever else they say."""
    from napari.settings import get_plugin_settings  # noqa: PLC0415  slow to import

    return str(get_plugin_settings(PLUGIN).inference.model).strip() or _default_model()


def choose_model(name: str) -> None:
    """Make this the model of the preferences, for all docks and for the next start."""
    from napari.settings import get_plugin_settings  # noqa: PLC0415  slow to import

    get_plugin_settings(PLUGIN).inference.model = name


def _folder(title: str, setting: object) -> Path | None:
    text = str(setting).strip()
    if not text:
        return None
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise OptionError(
            f"Preferences > Open-vocabulary annotation > {title}: {text!r} is relative to nothing; "
            "write the whole path, or leave it empty to keep nothing on disk"
        )
    return path
