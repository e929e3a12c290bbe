"""The options of the Segment dock as magicgui forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from magicgui.widgets import CheckBox, ComboBox, FloatSlider, LineEdit, SpinBox
from psygnal import Signal
from qtpy.QtWidgets import QSlider

from napari_plugin.form_rows import FormRows
from napari_plugin.pictures import ChannelChoice
from napari_plugin.presenter import Settings
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import OptionError
from ovseg_annotate.options import read_options
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.region_options import RegionOptions

_AS_SHOWN = "every plane is a picture"
_COMPOSITE = "all visible layers together"
_BORDERS = (("to edges (snap)", "snap"), ("repaired (denoise)", "denoise"), ("as scored", "none"))
_AREAS = (("off", 0), ("small, 64 px", 64), ("medium, 256 px", 256), ("large, 1024 px", 1024))
_PAGE = 5  # steps of the threshold for a click beside the handle
_SMALL = (("stay unlabelled", "drop"), ("join a neighbour", "merge"))


class PictureForm:
    """Which picture, which of its channels, which planes."""

    def __init__(self) -> None:
        self.layer = ComboBox(
            label="Picture", choices=(), nullable=True, tooltip="The image layer to label."
        )
        self.channels = ComboBox(
            label="Channels",
            choices=(_AS_SHOWN,),
            tooltip="How channels become a picture: none to choose, all visible one-channel "
            "layers as they look together, or the entries of an axis.",
        )
        self.numbers = LineEdit(
            label="Numbers",
            tooltip="Channels of that axis, such as 0 or 2, 0, 1: one is grey, two are red and "
            "green, three are red, green and blue; empty: the first three.",
        )
        self.planes = ComboBox(
            label="Planes",
            choices=(("the one shown", False), ("the whole stack", True)),
            tooltip="Of a stack or series: the plane that the viewer shows, or all of them.",
        )
        self.rows = FormRows((self.layer, self.channels, self.numbers, self.planes))
        self.layer.changed.connect(self._fit)
        self.channels.changed.connect(self._fit)
        self._fit()

    def offer(self, layers: Sequence[Any]) -> None:
        """List these image layers; the chosen one stays chosen while it is there."""
        chosen = self.layer.value
        self.layer.choices = tuple(layers)
        if layers and chosen not in layers:
            self.layer.value = layers[-1]
        self._fit()

    def choice(self) -> ChannelChoice:
        """The channels as the form says; an error where it says nothing sensible."""
        axis = self.channels.value
        if not isinstance(axis, int):
            return ChannelChoice()
        parts = [part.strip() for part in self.numbers.value.split(",") if part.strip()]
        if not all(part.isdecimal() for part in parts):
            raise OptionError(
                f"channels: got {self.numbers.value!r}; write numbers from 0 separated by commas, "
                "such as 0 or 2, 0, 1, or nothing for the first three"
            )
        return ChannelChoice(axis, tuple(int(part) for part in parts))

    @property
    def composite(self) -> bool:
        return bool(self.channels.value == _COMPOSITE)

    def _fit(self) -> None:
        """Offer what the chosen layer has."""
        layer = self.layer.value
        stack = 0 if layer is None else layer.ndim - 2
        choices: list[tuple[str, object]] = [(_AS_SHOWN, _AS_SHOWN)]
        if layer is not None and not layer.rgb:
            choices += [(f"axis {axis} counts channels", axis) for axis in range(stack)]
            choices.append((_COMPOSITE, _COMPOSITE))
        if tuple(value for _, value in choices) != tuple(self.channels.choices):
            with self.channels.changed.blocked():
                self.channels.choices = choices
        self.rows.show_row(self.channels, shown=len(choices) > 1)
        in_stack = isinstance(self.channels.value, int)
        self.rows.show_row(self.numbers, shown=in_stack)
        self.rows.show_row(self.planes, shown=stack > int(in_stack))


class OptionsForm:
    """How suggestions are made; every change is told by `changed`."""

    changed: ClassVar[Signal] = Signal()

    def __init__(self) -> None:
        self.threshold = FloatSlider(
            label="Threshold",
            min=0.0,
            max=1.0,
            step=0.01,
            value=0.1,
            tooltip="Pixels about which the engine is less sure stay unlabelled; seen at once.",
        )
        self.own_threshold = CheckBox(
            text="as the model suggests",
            value=True,
            tooltip="Use the threshold that belongs to the model; moving the slider ends it.",
        )
        self.contrast = LineEdit(
            label="Contrast",
            value="auto",
            tooltip="Phrases that compete for pixels so that not everything is labelled: auto, "
            "none, or phrases separated by commas, such as glass slide, empty background.",
        )
        self.borders = ComboBox(
            label="Borders",
            choices=_BORDERS,
            tooltip="How scores become pixels: borders moved to edges of the picture, poor maps "
            "repaired, or left as scored.",
        )
        self.areas = ComboBox(
            label="Smoothing",
            choices=_AREAS,
            tooltip="Areas of even colour of about this size take one label together.",
        )
        self.minimum_area = SpinBox(
            label="Minimum area",
            min=0,
            max=10**7,
            value=RegionOptions().minimum_area,
            tooltip="Regions of fewer pixels are removed.",
        )
        self.small = ComboBox(
            label="Small regions", choices=_SMALL, tooltip="What becomes of regions too small."
        )
        self.scale = LineEdit(
            label="Scale",
            value="auto",
            tooltip="The size at which the engine sees the picture: auto, native, a short side "
            "such as 448, a factor such as 0.5x, or several joined by +. Runs the network again.",
        )
        self.rows = FormRows(self._widgets())
        self.threshold.native.setToolTip(self.threshold.tooltip)  # of the number beside it, too
        slider = self.threshold.native.findChild(QSlider)
        slider.setPageStep(_PAGE * slider.singleStep())  # magicgui leaves a step that nobody sees
        self.threshold.changed.connect(self._take_threshold)
        for widget in self._widgets():
            widget.changed.connect(self._pass_change)

    def annotate_options(self) -> AnnotateOptions:
        """Read and checked; an error says which entry cannot be."""
        own = self.own_threshold.value
        return read_options(
            AnnotateOptions,
            {
                "scale": self.scale.value.strip() or "auto",
                "contrast": self.contrast.value.strip() or "none",
                "threshold": None if own else self.threshold.value,
                "refine": RefineOptions(method=self.borders.value),
                "superpixels": self.areas.value,
            },
        )

    def region_options(self) -> RegionOptions:
        return RegionOptions(minimum_area=self.minimum_area.value, small=self.small.value)

    def show_threshold(self, threshold: float) -> None:
        """Tell which threshold the model brought."""
        if self.own_threshold.value:
            with self.threshold.changed.blocked():
                self.threshold.value = threshold

    def _take_threshold(self, _value: float) -> None:
        with self.own_threshold.changed.blocked():
            self.own_threshold.value = False

    def _pass_change(self) -> None:
        self.changed.emit()

    def _widgets(self) -> tuple[Any, ...]:
        return (
            self.threshold,
            self.own_threshold,
            self.minimum_area,
            self.small,
            self.contrast,
            self.borders,
            self.areas,
            self.scale,
        )


def settings_of(picture: PictureForm, options: OptionsForm) -> Settings:
    """Everything that the forms say."""
    return Settings(
        annotate=options.annotate_options(),
        regions=options.region_options(),
        whole_stack=bool(picture.planes.value),
        channels=picture.choice(),
        composite=picture.composite,
    )
