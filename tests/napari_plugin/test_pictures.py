from __future__ import annotations

from pathlib import Path

import dask.array
import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Image

from napari_plugin.frames import Frame
from napari_plugin.pictures import ChannelChoice, Composite, LayerPictures, all_planes
from ovseg_annotate.errors import ImageError
from ovseg_annotate.image import from_array

RNG = np.random.default_rng(0)
PLACED = {
    "scale": (3.0, 0.5, 2.0),
    "translate": (5.0, -1.0, 7.0),
    "rotate": [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]],
    "shear": [0.0, 0.0, 0.25],
    "units": ("um", "nm", "nm"),
    "axis_labels": ("z", "y", "x"),
}


def world(frame: Frame, point: tuple[float, ...]) -> tuple[float, ...]:
    shape = (1,) * frame.axes
    return Image(np.zeros(shape), **frame.keywords()).data_to_world(point)


def test_a_layer_made_in_a_frame_lies_where_its_picture_lies() -> None:
    layer = Image(np.zeros((4, 8, 9)), affine=np.diag([1, 2, 3, 1.0]), **PLACED)
    frame = Frame.of(layer)
    for point in [(0, 0, 0), (1, 2, 3), (3, 7, 8)]:
        assert world(frame, point) == pytest.approx(layer.data_to_world(point))
    again = Image(np.zeros((4, 8, 9)), **frame.keywords())
    assert (again.units, again.axis_labels) == (layer.units, layer.axis_labels)


def test_a_plane_of_channels_lies_where_the_channels_lie() -> None:
    layer = Image(np.zeros((4, 8, 9)), **PLACED)
    pictures = LayerPictures.of(layer, ChannelChoice(axis=0))
    assert pictures.stack == ()
    point = layer.data_to_world((0, 2, 3))
    assert world(pictures.frame, (2, 3)) == pytest.approx(point[1:])


def test_channels_inside_a_stack_are_spanned_by_one_plane() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((2, 5, 8, 9)), scale=(1, 2, 1, 1), translate=(0, 3, 0, 0))
    pictures = LayerPictures.of(layer, ChannelChoice(axis=1))
    assert pictures.stack == (2, 1)
    labels = viewer.add_labels(np.ones((2, 1, 8, 9), np.uint8), **pictures.frame.keywords())
    for channel in range(5):
        position = layer.data_to_world((1, channel, 4, 4))
        assert labels.get_value(position, world=True) == 1, channel


@pytest.mark.parametrize(
    "values",
    [
        RNG.integers(0, 255, (12, 16), np.uint8),
        RNG.integers(0, 255, (12, 16, 3), np.uint8),
        RNG.integers(0, 255, (12, 16, 4), np.uint8),
        RNG.integers(0, 60_000, (12, 16), np.uint16),
        RNG.normal(size=(12, 16)).astype(np.float32),
        RNG.random((12, 16, 3)),
    ],
    ids=["grey", "RGB", "RGBA", "16 bit", "float", "float RGB"],
)
def test_a_single_picture_is_what_the_array_is(values: np.ndarray) -> None:
    pictures = LayerPictures.of(Image(values, rgb=values.ndim == 3))
    assert list(all_planes(pictures)) == [()]
    assert (pictures.read(()).pixels == from_array(values).pixels).all()


@pytest.mark.parametrize("rgb", [False, True])
@pytest.mark.parametrize("held", ["numpy", "dask", "zarr", "multiscale"])
def test_every_plane_of_a_stack_can_be_had(tmp_path: Path, held: str, rgb: bool) -> None:
    shape = (2, 3, 12, 16, 3) if rgb else (2, 3, 12, 16)
    values = RNG.integers(0, 255, shape, np.uint8)
    data: object = values
    if held == "dask":
        data = dask.array.from_array(values, chunks=(1, 1, *shape[2:]))
    elif held == "zarr":
        data = zarr.open_array(str(tmp_path / "a.zarr"), mode="w", shape=shape, dtype="u1")
        data[...] = values  # type: ignore[index]
    elif held == "multiscale":
        data = [values, values[:, :, ::2, ::2]]
    pictures = LayerPictures.of(Image(data, rgb=rgb, multiscale=held == "multiscale"))
    assert pictures.stack == (2, 3)
    planes = list(all_planes(pictures))
    assert len(planes) == 6
    for plane in planes:
        assert (pictures.read(plane).pixels == from_array(values[plane]).pixels).all()


def test_only_the_plane_that_is_read_is_computed() -> None:
    computed: list[int] = []

    def block(block_info: object = None) -> np.ndarray:
        place = block_info[None]["chunk-location"][0]  # type: ignore[index]
        computed.append(place)
        return np.full((1, 8, 8), place, np.uint8)

    data = dask.array.map_blocks(block, chunks=((1,) * 50, 8, 8), dtype=np.uint8)
    layer = Image(data, contrast_limits=(0, 255))
    computed.clear()
    LayerPictures.of(layer).read((7,))
    assert set(computed) == {7}


def test_chosen_channels_become_colours() -> None:
    values = RNG.integers(0, 255, (5, 12, 16), np.uint8)
    pictures = LayerPictures.of(Image(values), ChannelChoice(0, (4, 0, 2)))
    assert (pictures.read(()).pixels == np.stack([values[4], values[0], values[2]], axis=2)).all()


def test_one_chosen_channel_is_grey() -> None:
    values = RNG.integers(0, 255, (2, 3, 12, 16), np.uint8)
    pictures = LayerPictures.of(Image(values), ChannelChoice(1, (2,)))
    assert (pictures.read((1, 0)).pixels == values[1, 2][..., None]).all()


@pytest.mark.parametrize(
    ("values", "choice", "told"),
    [
        (np.zeros((12, 16)), ChannelChoice(0), "one channel"),
        (np.zeros((5, 12, 16)), ChannelChoice(1), "allowed: 0 to 0"),
        (np.zeros((5, 12, 16)), ChannelChoice(0, (5,)), "from 0 to 4"),
        (np.zeros((5, 12, 16)), ChannelChoice(0, (0, 1, 2, 3)), "one to three"),
    ],
)
def test_channels_that_are_not_there_are_refused(
    values: np.ndarray, choice: ChannelChoice, told: str
) -> None:
    with pytest.raises(ImageError, match=told):
        LayerPictures.of(Image(values), choice)


def test_a_colour_picture_has_no_axis_of_channels() -> None:
    with pytest.raises(ImageError, match="colour picture"):
        LayerPictures.of(Image(np.zeros((5, 12, 16, 3)), rgb=True), ChannelChoice(0))


def test_a_file_lost_behind_a_lazy_array_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "plane.npy"
    np.save(path, np.zeros((1, 8, 8), np.uint8))
    data = dask.array.from_delayed(dask.delayed(np.load)(path), (1, 8, 8), np.uint8)
    pictures = LayerPictures.of(Image(data, contrast_limits=(0, 255)))
    path.unlink()
    with pytest.raises(ImageError, match=r"plane \(0,\).*FileNotFoundError.*check the files"):
        pictures.read((0,))


def test_a_viewer_beyond_the_end_of_a_short_series_shows_its_last_plane() -> None:
    pictures = LayerPictures.of(Image(np.zeros((3, 8, 8))))
    assert pictures.plane_at((9, 0, 0)) == (2,)
    assert pictures.plane_at((5, 1, 0, 0)) == (1,)


def test_layers_seen_together_are_one_picture() -> None:
    red = Image(np.full((8, 8), 100.0), colormap="red", contrast_limits=(0, 200))
    green = Image(np.full((8, 8), 3.0), colormap="green", contrast_limits=(0, 4), opacity=0.5)
    pixels = Composite.of([red, green]).read(()).pixels
    assert np.allclose(pixels[0, 0], (127.5, 0.5 * 0.75 * 255, 0), atol=1.5)


def test_layers_of_different_shape_are_not_put_together() -> None:
    with pytest.raises(ImageError, match="one shape"):
        Composite.of([Image(np.zeros((8, 8))), Image(np.zeros((8, 9)))])
