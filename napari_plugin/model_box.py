"""The list of models; what is chosen there is the model of the preferences."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QComboBox, QInputDialog

from napari_plugin.model_offers import ModelOffer, model_offers, offer_of
from napari_plugin.preferences import choose_model, preferred_model
from ovseg_annotate.errors import ModelError

_ANOTHER = "Another, such as a folder of your own..."


class ModelBox(QComboBox):
    """Shows the model of the preferences and changes it."""

    chosen = Signal(str)  # ENGINE@WEIGHTS
    refused = Signal(object)  # OvsegError

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip(
            "Engine and weights; the same as in the preferences. Press Segment to use another one."
        )
        # A long path must not make the dock wide.
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self._named: dict[str, ModelOffer] = {}  # by the person, or in the preferences
        self.activated.connect(self._take)
        # Napari reads all manifests before it tells a preference; the dock opens without that.
        self._first_look = QTimer(self)
        self._first_look.setSingleShot(True)
        self._first_look.timeout.connect(self.show_preference)

    def show_preference(self) -> None:
        """Show what the preferences say now; they may have been changed elsewhere."""
        name = preferred_model()
        if self.findData(name) < 0:
            self._list((self._offer_in_preferences(name),))
        self.setCurrentIndex(self.findData(name))

    def showEvent(self, event: Any) -> None:  # noqa: N802
        super().showEvent(event)
        if not self.count():
            self._first_look.start(0)

    def showPopup(self) -> None:  # noqa: N802
        """Look what there is only when somebody wants to see it: that takes a while."""
        offers = {offer.name: offer for offer in model_offers()}
        self._list(tuple((self._named | offers).values()))
        self.show_preference()
        super().showPopup()

    def choose(self, name: str) -> None:
        """Take this model from now on."""
        try:
            offer = offer_of(name)
            choose_model(offer.name)
        except ModelError as error:
            self.refused.emit(error)
        else:
            if self.findData(offer.name) < 0:
                self._named[offer.name] = offer
                self._list((offer,))
            self.chosen.emit(offer.name)
        self.show_preference()

    def _take(self, row: int) -> None:
        name = self.itemData(row)
        if name is None:
            self.show_preference()
            name = self._asked()
        if name and name != preferred_model():
            self.choose(name)

    def _asked(self) -> str:
        text, accepted = QInputDialog.getText(
            self,
            "Model",
            "ENGINE@WEIGHTS, such as naclip@ViT-B-16-quickgelu/openai, or catseg@ and the folder "
            "that a training exported",
            text=preferred_model(),
        )
        return text.strip() if accepted else ""

    def _offer_in_preferences(self, name: str) -> ModelOffer:
        try:
            offer = offer_of(name)
        except ModelError as error:  # typed in the preferences; Segment will refuse it
            offer = ModelOffer(name, name, str(error))
        self._named[name] = offer
        return offer

    def _list(self, offers: tuple[ModelOffer, ...]) -> None:
        self.clear()
        for row, offer in enumerate(offers):
            self.addItem(offer.text, offer.name)
            self.setItemData(row, offer.tooltip, Qt.ItemDataRole.ToolTipRole)
        self.addItem(_ANOTHER, None)
