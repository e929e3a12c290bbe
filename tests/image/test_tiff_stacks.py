"""Pages, channels and the ways microscopes and maps store them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from ovseg_annotate.errors import ImageError
from ovseg_annotate.image import ReadingOptions, read_image

HEIGHT, WIDTH = 24, 32


def planes(*leading: int, dtype: Any = np.uint8) -> np.ndarray[Any, Any]:
    """Every plane is even: its value is its number times ten."""
    count = int(np.prod(leading))
    numbers = (np.arange(count) * 10).astype(dtype).reshape(*leading, 1, 1)
    return np.broadcast_to(numbers, (*leading, HEIGHT, WIDTH)).copy()


def grey_of(path: Path, **options: Any) -> list[int]:
    pixels = read_image(path, ReadingOptions(stretch="never", **options)).pixels
    assert (pixels == pixels[0, 0]).all()
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    return pixels[0, 0].tolist()  # type: ignore[no-any-return]


def test_a_page_is_chosen_from_a_document(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, planes(7), photometric="minisblack")
    assert grey_of(path) == [0] * 3
    assert grey_of(path, page=5) == [50] * 3
    assert "page 5 of 7" in read_image(path, ReadingOptions(page=5)).reading
    with pytest.raises(ImageError, match="no page 7; it has 7"):
        read_image(path, ReadingOptions(page=7))


def test_pages_of_different_sizes_are_counted_through(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(np.full((5, 6), 1, np.uint8))
        writer.write(np.full((9, 8), 2, np.uint8))
    assert read_image(path, ReadingOptions(page=1)).pixels.shape == (9, 8, 3)


def test_channels_of_an_ome_stack_become_colours(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, planes(2, 3), metadata={"axes": "ZCYX"}, photometric="minisblack")
    assert grey_of(path, page=0) == [0, 10, 20]
    assert grey_of(path, page=1) == [30, 40, 50]
    assert grey_of(path, page=1, channels=(2,)) == [50] * 3
    assert grey_of(path, page=1, channels=(2, 0)) == [50, 30, 0]


def test_channels_need_not_be_the_inner_axis(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, planes(3, 2), metadata={"axes": "CZYX"}, photometric="minisblack")
    assert grey_of(path, page=1) == [10, 30, 50]


def test_two_channels_become_red_and_green(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, planes(2), metadata={"axes": "CYX"}, photometric="minisblack")
    assert grey_of(path) == [0, 10, 0]


def test_five_interleaved_channels_are_chosen_from(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = np.moveaxis(planes(5), 0, 2)
    tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
    assert grey_of(path) == [0, 10, 20]
    assert grey_of(path, channels=(4, 3, 0)) == [40, 30, 0]
    with pytest.raises(ImageError, match="no channel 5; it has 5"):
        read_image(path, ReadingOptions(channels=(5,)))


def test_planar_channels_equal_interleaved_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, planes(4), photometric="minisblack", planarconfig="separate")
    assert grey_of(path, channels=(3, 1)) == [30, 10, 0]


def test_unlabelled_pages_are_channels_when_the_options_say_so(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, planes(3), photometric="minisblack")
    assert grey_of(path, channel_axis="first") == [0, 10, 20]


def test_a_cube_with_channels_last_is_read_when_the_options_say_so(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = np.ascontiguousarray(np.moveaxis(planes(5), 0, 2))
    tifffile.imwrite(path, values, photometric="minisblack")
    assert grey_of(path, channel_axis="last", channels=(4, 0)) == [40, 0, 0]


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_a_stack_behind_one_header_is_read(tmp_path: Path, byteorder: str) -> None:
    path = tmp_path / "a.tif"
    values = planes(6, dtype=np.uint16) * 257
    tifffile.imwrite(path, values, byteorder=byteorder, truncate=True, photometric="minisblack")
    assert grey_of(path, page=4) == [40] * 3
    path.write_bytes(path.read_bytes()[:-10])
    assert grey_of(path, page=4) == [40] * 3
    with pytest.raises(ImageError, match="cut off"):
        read_image(path, ReadingOptions(page=5))


def test_imagej_hyperstacks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, planes(2, 3, 2), imagej=True, metadata={"axes": "TZCYX"})
    assert grey_of(path, page=4) == [80, 90, 0]


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiles_are_put_together(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "a.tif"
    values = np.random.default_rng(0).integers(0, 255, (75, 90, 3), np.uint8)
    tifffile.imwrite(path, values, tile=(32, 16), compression=compression, photometric="rgb")
    np.testing.assert_array_equal(read_image(path).pixels, values)


def test_only_the_full_size_of_a_pyramid_counts_as_a_page(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(np.zeros((64, 64), np.uint8), subifds=1)
        writer.write(np.zeros((32, 32), np.uint8), subfiletype=1)
    assert read_image(path).pixels.shape == (64, 64, 3)
    with pytest.raises(ImageError, match="it has 1"):
        read_image(path, ReadingOptions(page=1))


def test_pages_of_a_compressed_colour_document_are_read_through_pillow(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pages = [PillowImage.new("RGB", (9, 7), (value, 0, 0)) for value in (10, 20)]
    pages[0].save(path, save_all=True, append_images=pages[1:], compression="tiff_lzw")
    assert read_image(path, ReadingOptions(page=1)).pixels[0, 0].tolist() == [20, 0, 0]


def test_complex_numbers_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.complex64))
    with pytest.raises(ImageError, match=r"a\.tif.*complex64"):
        read_image(tmp_path / "a.tif")
