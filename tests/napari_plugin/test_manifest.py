"""The manifest says what is there, and nothing else; looking at it imports no network."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from npe2 import PluginManifest

from napari_plugin.exports import EXPORT_FILES
from napari_plugin.preferences import PLUGIN, Preferences
from ovseg_annotate.devices import DEVICES

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "napari_plugin" / "napari.yaml"

LOOK = """
import importlib, sys
from npe2 import PluginManifest
manifest = PluginManifest.from_distribution("ovseg-annotate")
for command in manifest.contributions.commands:
    importlib.import_module(command.python_name.split(":")[0])
print(*sorted({"torch", "open_clip", "timm", "triton"} & set(sys.modules)))
"""


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(MANIFEST)


def test_npe2_finds_every_name_of_the_manifest() -> None:
    command = [sys.executable, "-m", "npe2", "validate", "--imports", str(MANIFEST)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_loading_everything_in_the_manifest_imports_no_network_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_the_manifest_is_that_of_the_distribution() -> None:
    assert PluginManifest.from_distribution(PLUGIN).name == PLUGIN


def test_preferences_have_the_defaults_of_the_manifest(manifest: PluginManifest) -> None:
    told = {
        name: configured.default
        for configuration in manifest.contributions.configurations.values()
        for name, configured in configuration.properties.items()
    }
    for path in ("cache_folder", "learning_folder", "server_token_file"):
        told[path] = told[path] or None
    assert told == {each.name: getattr(Preferences(), each.name) for each in fields(Preferences)}


def test_every_device_can_be_chosen(manifest: PluginManifest) -> None:
    inference = manifest.contributions.configurations["inference"]
    assert tuple(inference.properties["device"].enum) == DEVICES


def test_writers_offer_the_suffixes_that_exports_use(manifest: PluginManifest) -> None:
    offered = {
        suffix for writer in manifest.contributions.writers for suffix in writer.filename_extensions
    }
    usual = {file.suffixes[0] for file in EXPORT_FILES.values()}
    assert usual <= offered


def test_no_common_picture_format_is_claimed(manifest: PluginManifest) -> None:
    """A second reader of *.png would make napari ask which one to take, for every picture."""
    document = yaml.safe_load(MANIFEST.read_text())
    patterns = document["contributions"]["readers"][0]["filename_patterns"]
    assert not {"*", "*.png", "*.tif", "*.tiff", "*.csv"} & set(patterns)
    assert not manifest.contributions.readers[0].accepts_directories
