"""Menu entries that ask for a file and export to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_plugin.export_kinds import ExportKind
from napari_plugin.exports import EXPORT_FILES, export_layers
from napari_plugin.layer_data import METADATA, LayerData
from napari_plugin.notices import errors_shown
from ovseg_annotate.errors import FormatError

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer


def export_coco(viewer: napari.viewer.Viewer) -> None:
    _ask_and_export(viewer, ExportKind.COCO)


def export_label_studio(viewer: napari.viewer.Viewer) -> None:
    _ask_and_export(viewer, ExportKind.LABEL_STUDIO)


def export_mask(viewer: napari.viewer.Viewer) -> None:
    _ask_and_export(viewer, ExportKind.MASK)


def layers_to_export(viewer: napari.viewer.Viewer) -> list[LayerData]:
    """The selected labels and shapes, or else those that this plugin made; with the pictures."""
    chosen = [layer for layer in viewer.layers if layer in viewer.layers.selection]
    annotations = [layer for layer in chosen if _has_annotations(layer)]
    if not annotations:
        annotations = [
            layer
            for layer in viewer.layers
            if _has_annotations(layer) and METADATA in layer.metadata
        ]
    if not annotations:
        raise FormatError(
            "nothing to export: select the labels layer, or the shapes and their picture"
        )
    pictures = [layer for layer in chosen if layer.as_layer_data_tuple()[2] == "image"]
    return [layer.as_layer_data_tuple() for layer in (*annotations, *pictures)]


def _ask_and_export(viewer: napari.viewer.Viewer, kind: ExportKind) -> None:
    with errors_shown():
        layers = layers_to_export(viewer)
        path = ask_for_file(kind, str(layers[0][1]["name"]))
        if path is not None:
            export_layers(layers, kind, path)
            _say(f"{kind}: {path}")


def ask_for_file(kind: ExportKind, name: str) -> Path | None:
    """Let a person choose where to write; None when they would rather not."""
    from qtpy.QtWidgets import QFileDialog  # noqa: PLC0415

    suffixes = EXPORT_FILES[kind].suffixes
    pattern = f"{kind} ({' '.join(f'*{suffix}' for suffix in suffixes)})"
    chosen, _ = QFileDialog.getSaveFileName(None, f"Export {kind}", f"{name}{suffixes[0]}", pattern)
    if not chosen:
        return None
    path = Path(chosen)
    return path if path.suffix else path.with_name(path.name + suffixes[0])


def _has_annotations(layer: napari.layers.Layer) -> bool:
    return layer.as_layer_data_tuple()[2] in ("labels", "shapes")


def _say(text: str) -> None:
    from napari.utils.notifications import show_info  # noqa: PLC0415

    show_info(text)
