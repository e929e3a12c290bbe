"""Whatever a file says, reading it gives an answer or an error that names it; nothing else."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from effort import Effort
from hostile.guard import guarded, refusing
from hostile.mutations import inputs
from hostile.reader import Reader
from hostile.readers import readers

READERS = {reader.name: reader for reader in readers()}
_JSON = (".json", ".geojson")
_SECONDS = 1.5  # of a long search, for each reader


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_good_files_are_read(reader: Reader, tmp_path: Path) -> None:
    """Else the rest of this file would say nothing."""
    reader.write(tmp_path)
    with guarded(tmp_path):
        reader.read(tmp_path)


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.filterwarnings("ignore")  # decoders warn of damage in many ways; errors are ours
def test_hostile_files_are_read_or_refused_by_name(
    reader: Reader, tmp_path: Path, effort: Effort
) -> None:
    good = tmp_path / "good"
    good.mkdir()
    reader.write(good)
    files = sorted(path.relative_to(good) for path in good.rglob(reader.only) if path.is_file())
    assert files
    for chance in seeds(reader.name, effort):
        folder = tmp_path / "hostile"
        shutil.copytree(good, folder)
        path = folder / chance.choice(files)
        path.write_bytes(hostile(reader, path, chance))
        with guarded(folder), refusing(*(file.name for file in files), str(folder)):
            reader.read(folder)
        shutil.rmtree(folder)


def hostile(reader: Reader, path: Path, chance: random.Random) -> bytes:
    """What seals and lengths protect is changed two times of three, where there is such."""
    data = path.read_bytes()
    if reader.inside is not None and chance.random() < 0.67:
        return reader.inside(data, lambda content: inputs(content, chance, is_json=True))
    return inputs(data, chance, is_json=path.suffix in _JSON)


def seeds(name: str, effort: Effort) -> Iterator[random.Random]:
    """One source of chance an input; a failure is repeated with the number it prints."""
    for number in effort.numbers(short=25, long=600, seconds=_SECONDS):
        print(f"{name}: input {number} of seed {effort.seed}")  # noqa: T201  shown when it fails
        yield random.Random(f"{effort.seed} {name} {number}")  # noqa: S311
