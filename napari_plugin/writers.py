"""Saving layers: each function is a writer of the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_plugin.export_kinds import ExportKind
from napari_plugin.exports import export_layers
from napari_plugin.layer_data import LayerData


def write_coco(path: str, layers: Sequence[LayerData]) -> list[str]:
    return [str(export_layers(layers, ExportKind.COCO, Path(path)))]


def write_label_studio(path: str, layers: Sequence[LayerData]) -> list[str]:
    return [str(export_layers(layers, ExportKind.LABEL_STUDIO, Path(path)))]


def write_record(path: str, layers: Sequence[LayerData]) -> list[str]:
    return [str(export_layers(layers, ExportKind.RECORD, Path(path)))]


def write_mask(path: str, layers: Sequence[LayerData]) -> list[str]:
    return [str(export_layers(layers, ExportKind.MASK, Path(path)))]
