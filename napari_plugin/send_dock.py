"""The dock "Send to Label Studio": the picture on the screen and its regions, as a new task."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QLineEdit, QPushButton, QSpinBox, QWidget

from napari_plugin.export_dialogs import layers_to_export
from napari_plugin.export_kinds import ExportKind
from napari_plugin.exports import EXPORT_FILES
from napari_plugin.layer_data import LayerData
from napari_plugin.layer_reading import annotated_images
from napari_plugin.notices import errors_shown, show_error
from napari_plugin.pictures import LayerPictures, Plane
from napari_plugin.preferences import read_preferences
from napari_plugin.send import LabelStudio
from ovseg_annotate.errors import FormatError, OvsegError
from ovseg_annotate.regions import AnnotatedImage

if TYPE_CHECKING:
    import napari.viewer

_LARGEST_NUMBER = 2**31 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """What is sent, and where."""

    server: str
    token: str
    project: int
    picture: LayerPictures
    plane: Plane
    annotations: tuple[LayerData, ...]

    def send(self) -> int:
        """Send it; gives the number of the new task."""
        images = annotated_images(self.annotations, EXPORT_FILES[ExportKind.LABEL_STUDIO].regions)
        with LabelStudio(self.server, self.token) as label_studio:
            return label_studio.send(
                self.project, self.picture.read(self.plane), self._shown_of(images)
            )

    def _shown_of(self, images: tuple[AnnotatedImage, ...]) -> AnnotatedImage:
        """The regions of the plane that is shown."""
        planes = math.prod(self.picture.stack)
        if len(images) not in (1, planes):
            raise FormatError(
                f"the annotations are about {len(images)} planes, the picture has {planes}; select "
                "the labels that belong to the picture"
            )
        number = int(np.ravel_multi_index(self.plane, self.picture.stack)) if self.plane else 0
        shown = images[0] if len(images) == 1 else images[number]
        if shown.size != self.picture.size:
            raise FormatError(
                f"the annotations are about {shown.size}, the picture has {self.picture.size}; "
                "select the picture that they belong to as well"
            )
        return shown


class SendDock(QWidget):
    """A server, a token that is never stored, a project, and one button."""

    sent = Signal(int)  # number of the task

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        preferences = read_preferences()
        self.server_edit = QLineEdit(preferences.server)
        self.server_edit.setToolTip("Where Label Studio answers; kept in the preferences")
        self.token_edit = QLineEdit()
        self.token_edit.setEchoMode(QLineEdit.EchoMode.Password)
        self.token_edit.setToolTip(
            "A personal access token from Account & Settings; it is not kept anywhere"
        )
        self.project_box = QSpinBox()
        self.project_box.setRange(0, _LARGEST_NUMBER)
        self.project_box.setValue(preferences.project)
        self.project_box.setToolTip("The number in the address of the project: /projects/NUMBER")
        self.send_button = QPushButton("Send")
        self.send_button.setToolTip(
            "Make a task of the picture: suggestions become a prediction, what you drew an "
            "annotation"
        )
        self.send_button.clicked.connect(self.send)
        self.state_label = QLabel()
        self.state_label.setWordWrap(True)
        form = QFormLayout(self)
        form.addRow("Server", self.server_edit)
        form.addRow("Token", self.token_edit)
        form.addRow("Project", self.project_box)
        form.addRow(self.send_button)
        form.addRow(self.state_label)

    def send(self) -> None:
        """Send the selected annotations, or those that this plugin made, with their picture."""
        with errors_shown():
            parcel = self._parcel()
            self.send_button.setEnabled(False)
            self.state_label.setText("sending")
            from napari.qt.threading import create_worker  # noqa: PLC0415  needs Qt

            def work() -> Generator[int | OvsegError, None, None]:
                try:
                    yield parcel.send()
                except OvsegError as error:  # raised, napari would show it a second time
                    yield error

            worker = create_worker(work, _start_thread=False)
            worker.yielded.connect(self._tell)
            worker.finished.connect(self._end)
            worker.start()

    def _parcel(self) -> Parcel:
        if not self.project_box.value():
            raise FormatError(
                "name the project: the number in its address, http://HOST/projects/NUMBER"
            )
        annotations = layers_to_export(self._viewer)
        picture = LayerPictures.of(self._picture_layer())
        plane = picture.plane_at(self._viewer.dims.current_step)
        return Parcel(
            self.server_edit.text().strip().rstrip("/"),
            self.token_edit.text().strip(),
            self.project_box.value(),
            picture,
            plane,
            tuple(layer for layer in annotations if layer[2] != "image"),
        )

    def _picture_layer(self) -> Any:
        """The selected picture, or else the lowest visible one."""
        pictures = [layer for layer in self._viewer.layers if hasattr(layer, "rgb")]
        selected = [layer for layer in pictures if layer in self._viewer.layers.selection]
        visible = [layer for layer in pictures if layer.visible]
        if not (selected or visible):
            raise FormatError("there is no picture to send; select its layer as well")
        return (selected or visible)[0]

    def _tell(self, told: int | OvsegError) -> None:
        if isinstance(told, OvsegError):
            self.state_label.setText("not sent")
            show_error(told)
        else:
            self.state_label.setText(f"sent as task {told}")
            self.sent.emit(told)

    def _end(self) -> None:
        self.send_button.setEnabled(True)
