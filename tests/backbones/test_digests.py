"""The digest of some weights is known before their network is built."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from backbones.micro import write_micro_clip

from ovseg_annotate.backbones.digests import sha256_of, tower_digest
from ovseg_annotate.backbones.folder import WEIGHTS_FILE
from ovseg_annotate.backbones.hub import HuggingFaceHub
from ovseg_annotate.backbones.published import find_published
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.catalog import weights_digest

PUBLISHED = "ViT-B-16-quickgelu/openai"


@pytest.mark.parametrize("name", ["mini", "random:ViT-S-32-alt:3"])
def test_it_is_that_of_the_loaded_tower(name: str) -> None:
    assert tower_digest(name) == load_clip(name).card.weights_digest


def test_it_is_that_of_a_folder(tmp_path: Path) -> None:
    folder = write_micro_clip(tmp_path)
    assert weights_digest(f"naclip@{folder}") == load_clip(str(folder)).card.weights_digest
    (folder / WEIGHTS_FILE).write_bytes(b"others")
    assert tower_digest(str(folder)) == hashlib.sha256(b"others").hexdigest()
    (folder / WEIGHTS_FILE).unlink()
    assert tower_digest(str(folder)) is None


def cached(cache: Path, blob: str, content: bytes) -> None:
    """A file in the cache of the hub, as its client lays it out."""
    wanted = find_published(PUBLISHED)
    repository = cache / f"models--{wanted.repository.replace('/', '--')}"
    (repository / "blobs").mkdir(parents=True)
    (repository / "blobs" / blob).write_bytes(content)
    commit = "0" * 40
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / wanted.files[0]).symlink_to(Path("..", "..", "blobs", blob))


def test_a_download_is_named_by_its_digest_and_read_no_further(tmp_path: Path) -> None:
    hub = HuggingFaceHub(cache=tmp_path)
    assert tower_digest(PUBLISHED, hub) is None
    cached(tmp_path, "a" * 64, b"large")
    assert tower_digest(PUBLISHED, hub) == "a" * 64


def test_a_download_of_another_name_is_read(tmp_path: Path) -> None:
    cached(tmp_path, "a" * 40, b"small")
    assert tower_digest(PUBLISHED, HuggingFaceHub(cache=tmp_path)) == (
        hashlib.sha256(b"small").hexdigest()
    )


def test_a_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1")
    before = sha256_of(path)
    path.write_bytes(b"22")
    assert sha256_of(path) != before


def test_weights_of_the_package_are_known_without_torch() -> None:
    code = (
        "import sys; from ovseg_annotate.catalog import weights_digest;"
        "assert len(weights_digest('naclip@mini')) == 64; sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
