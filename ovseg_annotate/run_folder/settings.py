"""What a run was asked to do: the settings in `run.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ovseg_annotate._version import __version__
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import OptionError, RunError
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.options import read_options
from ovseg_annotate.plain_data import json_text, json_value
from ovseg_annotate.regions import RegionOptions
from ovseg_annotate.run_folder.writing import write_whole

FILE_NAME = "run.json"
LAKE_FILE_NAME = "lake.json"  # of what a fleet writes: not a run folder, and told apart by it
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Pictures that were annotated with equal settings belong together."""

    model: str  # ENGINE@WEIGHTS
    weights: str  # sha256 of the weights
    engine_options: str  # the engine's own options, one line
    vocabulary: str  # the grammar that Vocabulary.parse reads
    annotate: AnnotateOptions
    regions: RegionOptions
    reading: ReadingOptions

    @property
    def digest(self) -> str:
        """Differs whenever anything differs that can change a suggestion."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differences(self, other: RunSettings) -> tuple[str, ...]:
        """One line for each setting that is not the same: name, here, there."""
        here, there = _flat(asdict(self)), _flat(asdict(other))
        return tuple(
            f"{name}: {here.get(name)!r}, now {there.get(name)!r}"
            for name in here
            if here.get(name) != there.get(name)
        )

    def write(self, folder: Path, pictures: Iterable[Path] = ()) -> None:
        """Write `run.json`; `pictures` are the folders that the names of records start from."""
        document = {
            "ovseg_run": _SCHEMA,
            "version": __version__,
            "settings_digest": self.digest,
            "settings": asdict(self),
            "pictures": sorted({*map(str, picture_folders(folder)), *map(str, pictures)}),
        }
        write_whole(folder / FILE_NAME, f"{json_text(document, indent=1)}\n".encode())

    @classmethod
    def read(cls, folder: Path) -> RunSettings:
        """Read the settings of a run folder; `is_run_folder` says whether there are any."""
        path = folder / FILE_NAME
        try:
            document = json_value(path.read_text(encoding="utf-8"))
            if document["ovseg_run"] != _SCHEMA:
                raise RunError(
                    f"{path} is of schema {document['ovseg_run']}; this is ovseg-annotate "
                    f"{__version__}, which reads schema {_SCHEMA}: use the version that wrote it, "
                    f"{document.get('version', 'unknown')}"
                )
            return cls.from_plain(document["settings"])
        except (OSError, ValueError, KeyError, TypeError, OptionError) as error:
            raise RunError(
                f"cannot read the settings in {path}: {error}. Delete that one file and give the "
                "command again with --replace; corrections are kept"
            ) from error

    @classmethod
    def from_plain(cls, plain: Mapping[str, object]) -> RunSettings:
        """Read what `dataclasses.asdict` gave."""
        texts = {
            field.name: str(plain[field.name])
            for field in fields(cls)
            if field.name not in ("annotate", "regions", "reading")
        }
        return cls(
            **texts,
            annotate=read_options(AnnotateOptions, _table(plain["annotate"])),
            regions=read_options(RegionOptions, _table(plain["regions"])),
            reading=read_options(ReadingOptions, _table(plain["reading"])),
        )


def picture_folders(folder: Path) -> tuple[Path, ...]:
    """The folders whose pictures were annotated into a run folder, as far as it tells."""
    try:
        document = json_value((folder / FILE_NAME).read_text(encoding="utf-8"))
        return tuple(Path(str(each)) for each in document["pictures"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()  # damaged or of an older version: a help for showing, not worth a refusal


def is_run_folder(folder: Path) -> bool:
    return (folder / FILE_NAME).is_file()


def refuse_lake(folder: Path, instead: str) -> None:
    """Say what to do with a lake where a run folder is wanted."""
    if (folder / LAKE_FILE_NAME).is_file():
        raise RunError(f"{folder} is a lake, which 'ovseg annotate --fleet' wrote; {instead}")


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected a table, got {value!r}")
    return value


def _flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat
