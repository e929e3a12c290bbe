"""Pictures out of image layers: one plane at a time, whatever holds the numbers.

A plane is named by its place along the axes of the stack: () for a single picture, (3,) for the
fourth of a series, (3, 12) for a section of it. Rows and columns are the last two axes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_plugin.frames import Frame, Placed
from napari_plugin.layer_data import METADATA
from ovseg_annotate.errors import ImageError
from ovseg_annotate.geometry import Size

if TYPE_CHECKING:
    from ovseg_annotate.image import Image

Plane: TypeAlias = tuple[int, ...]

_SMALLEST_SPAN = 1e-30  # of contrast limits that have become one
_LARGEST_INDEX = 255  # entries of a colour table less one


class ImageLayer(Placed, Protocol):
    """What is asked of a napari image layer."""

    data: Any
    rgb: bool
    multiscale: bool
    name: str


class PictureSource(Protocol):
    """Where the pictures of a run come from."""

    @property
    def name(self) -> str: ...

    @property
    def stack(self) -> tuple[int, ...]:
        """How many planes there are along each axis of the stack."""

    @property
    def size(self) -> Size: ...

    @property
    def frame(self) -> Frame:
        """The place of stack, rows and columns in the world."""

    def plane_at(self, step: Sequence[int]) -> Plane:
        """The plane that the viewer shows; `step` counts along all axes of the viewer."""

    def read(self, plane: Plane) -> Image: ...


@dataclass(frozen=True, slots=True)
class ChannelChoice:
    """Which axis of a layer counts channels, and which of them are looked at."""

    axis: int | None = None  # None: no axis does, every plane is a picture
    channels: tuple[int, ...] = ()  # one: grey, two: red and green; (): the first three


@dataclass(frozen=True, slots=True, eq=False)
class LayerPictures:
    """The planes of one image layer; the array is read when a plane is."""

    name: str
    size: Size
    stack: tuple[int, ...]
    frame: Frame
    _array: Any  # numpy, dask, zarr, anything that can be indexed
    _channels: ChannelChoice
    _kept_axis: int | None  # an axis of channels inside the stack, where one entry spans them all

    @classmethod
    def of(cls, layer: ImageLayer, channels: ChannelChoice | None = None) -> LayerPictures:
        """Take a layer as it is; in a multiscale layer, its full size."""
        channels = channels or ChannelChoice()
        array = layer.data[0] if layer.multiscale else layer.data
        shape = tuple(int(length) for length in array.shape[: layer.ndim])
        if len(shape) < 2 or 0 in shape:
            raise ImageError(
                f"layer {layer.name!r} has shape {array.shape}; expected at least rows and columns"
            )
        frame, stack, kept_axis = Frame.of(layer), list(shape[:-2]), None
        axis = channels.axis
        if axis is not None:
            _check_channels(layer, channels, shape)
            if axis == 0:
                frame, stack = frame.without_first(), stack[1:]
            else:
                frame, kept_axis = frame.spanning(axis, shape[axis]), axis
                stack[axis] = 1
        return cls(layer.name, Size(*shape[-2:]), tuple(stack), frame, array, channels, kept_axis)

    def plane_at(self, step: Sequence[int]) -> Plane:
        count = len(self.stack)
        shown = step[-2 - count : -2] if count else ()
        # A viewer with other layers may stand beyond the end of this one.
        return tuple(
            min(max(int(place), 0), length - 1)
            for place, length in zip(shown, self.stack, strict=True)
        )

    def read(self, plane: Plane) -> Image:
        """One plane as a picture; the numbers are fetched here."""
        from ovseg_annotate.image import ReadingOptions, from_array  # noqa: PLC0415  slow

        where = f"layer {self.name!r}" + (f", plane {plane}" if plane else "")
        values = fetched(self._array, self._index(plane), where)
        options = ReadingOptions()
        if self._channels.axis is not None:
            options = ReadingOptions(
                channels=self._channels.channels or tuple(range(min(3, values.shape[0]))),
                channel_axis="first",
            )
        return from_array(values, options, where)

    def _index(self, plane: Plane) -> tuple[int | slice, ...]:
        index: list[int | slice] = list(plane)
        axis = self._channels.axis
        if self._kept_axis is not None:
            index[self._kept_axis] = slice(None)
        elif axis is not None:
            index.insert(axis, slice(None))
        return tuple(index)


@dataclass(frozen=True, slots=True, eq=False)
class ChannelView:
    """How a single-channel layer looks on the screen."""

    pictures: Any  # numpy, dask, zarr
    low: float
    high: float
    colours: NDArray[np.float32]  # (256, 3), 0 to 1, from dark to bright
    opacity: float


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """Several single-channel layers seen together, as the screen adds them up."""

    name: str
    size: Size
    stack: tuple[int, ...]
    frame: Frame
    _views: tuple[ChannelView, ...]
    _base: LayerPictures

    @classmethod
    def of(cls, layers: Sequence[Any]) -> Composite:
        """Take image layers of one shape, with the contrast and colours that they have now."""
        base = LayerPictures.of(layers[0])
        for layer in layers[1:]:
            other = LayerPictures.of(layer)
            if (other.size, other.stack) != (base.size, base.stack) or layer.rgb:
                raise ImageError(
                    f"layers {base.name!r} and {other.name!r} cannot be put together: they need "
                    "one shape and one channel each; hide one of them, or take one channel only"
                )
        views = tuple(
            ChannelView(
                layer.data[0] if layer.multiscale else layer.data,
                low=float(layer.contrast_limits[0]),
                high=float(layer.contrast_limits[1]),
                colours=_colour_table(layer.colormap),
                opacity=float(layer.opacity),
            )
            for layer in layers
        )
        return cls(base.name, base.size, base.stack, base.frame, views, base)

    def plane_at(self, step: Sequence[int]) -> Plane:
        return self._base.plane_at(step)

    def read(self, plane: Plane) -> Image:
        """The sum of all channels in their colours."""
        from ovseg_annotate.image import from_array  # noqa: PLC0415  slow

        total = np.zeros((self.size.height, self.size.width, 3), np.float32)
        for number, view in enumerate(self._views):
            values = fetched(view.pictures, plane, f"channel {number} of {self.name!r}")
            span = max(view.high - view.low, _SMALLEST_SPAN)
            shade = np.nan_to_num((values.astype(np.float32) - view.low) / span)
            index = (shade.clip(0, 1) * _LARGEST_INDEX).astype(np.uint8)
            total += view.colours[index] * view.opacity
        pixels = (total.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        return from_array(pixels, name=f"composite of {len(self._views)} layers")


def is_picture(layer: Any) -> bool:
    """Whether a layer of a viewer is an image, and none that was made here."""
    return hasattr(layer, "rgb") and METADATA not in layer.metadata


def all_planes(source: PictureSource) -> Iterator[Plane]:
    """Every plane of a stack, in order."""
    return itertools.product(*(range(length) for length in source.stack))


def fetched(array: Any, index: tuple[int | slice, ...], where: str) -> NDArray[Any]:
    """Part of an array as numpy; says what could not be read."""
    try:
        return np.asarray(array[index])
    # A lazy array runs foreign code: a missing file, a broken graph, anything.
    except Exception as error:
        raise ImageError(
            f"{where} cannot be read: {type(error).__name__}: {error}; check the files behind it"
        ) from error


def _check_channels(layer: ImageLayer, channels: ChannelChoice, shape: tuple[int, ...]) -> None:
    axis, last = channels.axis, len(shape) - 3
    if layer.rgb:
        raise ImageError(f"layer {layer.name!r} is a colour picture; it has no axis of channels")
    if axis is None or not 0 <= axis <= last:
        raise ImageError(
            f"layer {layer.name!r}: axis {axis} cannot count channels; rows and columns are the "
            f"last two of its {len(shape)} axes"
            + (f"; allowed: 0 to {last}" if last >= 0 else ": it has one channel")
        )
    beyond = [number for number in channels.channels if not 0 <= number < shape[axis]]
    if beyond or len(channels.channels) > 3:
        raise ImageError(
            f"layer {layer.name!r}: channels {channels.channels} are not to be had; choose one to "
            f"three from 0 to {shape[axis] - 1}"
        )


def _colour_table(colormap: Any) -> NDArray[np.float32]:
    shades = np.linspace(0, 1, _LARGEST_INDEX + 1)
    return np.asarray(colormap.map(shades), np.float32)[:, :3]
