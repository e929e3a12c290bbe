"""Every container and pixel type a picture may come in."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage

from ovseg_annotate.errors import ImageError
from ovseg_annotate.image import ReadingOptions, read_image

RED = (255, 0, 0)


def write_png_of_16_bits(path: Path, values: NDArray[np.uint16]) -> None:
    """Pillow cannot write 16-bit colours: (h, w, 2 grey + alpha | 3 RGB | 4 RGBA)."""
    height, width, channels = values.shape
    colour_type = {2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.png", "RGB"), ("a.png", "RGBA"), ("a.png", "P"), ("a.jpg", "RGB"), ("a.jpg", "CMYK"),
        ("a.webp", "RGB"), ("a.webp", "RGBA"), ("a.bmp", "RGB"), ("a.bmp", "P"), ("a.gif", "P"),
        ("a.tif", "RGB"), ("a.tif", "RGBA"), ("a.tif", "P"), ("a.tif", "CMYK"), ("a.tif", "YCbCr"),
    ],
)  # fmt: skip
def test_a_red_picture_arrives_with_channel_0_at_255(tmp_path: Path, name: str, mode: str) -> None:
    path = tmp_path / name
    lossless = {"lossless": True} if path.suffix == ".webp" else {}
    PillowImage.new("RGB", (9, 5), RED).convert(mode).save(path, **lossless)
    image = read_image(path)
    assert image.pixels.shape == (5, 9, 3)
    assert image.pixels.dtype == np.uint8
    assert image.pixels.flags.c_contiguous
    np.testing.assert_allclose(image.pixels, np.broadcast_to(RED, (5, 9, 3)), atol=2)


@pytest.mark.parametrize(
    "compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"]
)
def test_every_common_tiff_compression_is_read(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.tif"
    PillowImage.new("RGB", (33, 17), RED).save(path, compression=compression)
    np.testing.assert_allclose(read_image(path).pixels, np.full((17, 33, 3), RED), atol=2)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.float32, np.float64, np.float16])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_a_red_tiff_of_wide_numbers_stays_red(
    tmp_path: Path, dtype: type[np.generic], byteorder: str, planes: str
) -> None:
    full = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    values = np.zeros((6, 8, 3), dtype)
    values[:, :, 0] = full
    stored = values if planes == "contig" else np.moveaxis(values, 2, 0)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig=planes, byteorder=byteorder)
    np.testing.assert_array_equal(read_image(path).pixels, np.full((6, 8, 3), RED))


def test_sixteen_bit_grey_png_uses_both_bytes(tmp_path: Path) -> None:
    values = np.array([[1000, 1001, 1002, 1003, 1004]], np.uint16)
    PillowImage.fromarray(values).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", ReadingOptions(percentiles=(0, 100)))
    assert image.pixels[0, :, 1].tolist() == [0, 64, 128, 191, 255]
    assert "1000 to 1004" in image.reading


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour_png_uses_both_bytes(tmp_path: Path, channels: int) -> None:
    values = np.full((2, 5, channels), 65535, np.uint16)
    values[:, :, :3] = (513 + np.arange(5))[None, :, None]
    write_png_of_16_bits(tmp_path / "a.png", values)
    image = read_image(tmp_path / "a.png", ReadingOptions(percentiles=(0, 100)))
    assert image.pixels[0, :, 2].tolist() == [0, 64, 128, 191, 255]
    assert "513 to 517" in image.reading


def test_sixteen_bit_grey_png_with_opacity_is_read(tmp_path: Path) -> None:
    values = np.full((2, 5, 2), 65535, np.uint16)
    values[:, :2] = 0
    write_png_of_16_bits(tmp_path / "a.png", values)
    image = read_image(tmp_path / "a.png")
    assert image.pixels[0, :, 0].tolist() == [255] * 5
    assert "8 of 16 bit" in image.reading


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_sixteen_bit_grey_tiff_is_read_in_both_byte_orders(tmp_path: Path, byteorder: str) -> None:
    values = np.arange(0, 5000, 100, dtype=np.uint16).reshape(5, 10)
    tifffile.imwrite(tmp_path / "a.tif", values, byteorder=byteorder)
    image = read_image(tmp_path / "a.tif", ReadingOptions(percentiles=(0, 100)))
    expected = np.round(values / 4900 * 255)
    np.testing.assert_allclose(image.pixels[:, :, 0], expected, atol=1)


def test_a_black_and_white_picture_is_0_and_255(tmp_path: Path) -> None:
    stripes = np.tile(np.array([True, False]), (4, 8))
    for name in ("a.png", "a.tif", "a.bmp"):
        PillowImage.fromarray(stripes).convert("1").save(tmp_path / name)
        pixels = read_image(tmp_path / name).pixels
        np.testing.assert_array_equal(pixels[:, :, 0], np.where(stripes, 255, 0))


def test_white_is_zero_is_turned_round(tmp_path: Path) -> None:
    values = np.array([[0, 100, 255]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    assert read_image(tmp_path / "a.tif").pixels[0, :, 0].tolist() == [255, 155, 0]


def test_transparency_is_laid_on_the_chosen_ground(tmp_path: Path) -> None:
    clear = PillowImage.new("RGBA", (2, 1), (10, 20, 30, 0))
    clear.putpixel((1, 0), (10, 20, 30, 255))
    clear.save(tmp_path / "a.png")
    corners = {
        ground: read_image(tmp_path / "a.png", ReadingOptions(ground=ground)).pixels[0, 0].tolist()
        for ground in ("white", "black", "ignore")
    }
    assert corners == {"white": [255] * 3, "black": [0] * 3, "ignore": [10, 20, 30]}
    assert read_image(tmp_path / "a.png").pixels[0, 1].tolist() == [10, 20, 30]
    assert "transparency on white" in read_image(tmp_path / "a.png").reading


def test_half_transparent_tiff_equals_half_transparent_png(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(0, 256, (7, 5, 4), np.uint8)
    PillowImage.fromarray(values).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.png").pixels, read_image(tmp_path / "a.tif").pixels
    )


def test_premultiplied_opacity_is_not_multiplied_again(tmp_path: Path) -> None:
    values = np.array([[[60, 0, 0, 128]]], np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["assocalpha"])
    assert read_image(tmp_path / "a.tif").pixels[0, 0].tolist() == [187, 127, 127]


def test_a_transparent_palette_entry_shows_the_ground(tmp_path: Path) -> None:
    picture = PillowImage.new("P", (2, 1), 0)
    picture.putpalette([9, 9, 9, 200, 0, 0])
    picture.putpixel((1, 0), 1)
    for name in ("a.png", "a.gif"):
        picture.save(tmp_path / name, transparency=0)
        assert read_image(tmp_path / name).pixels[0].tolist() == [[255] * 3, [200, 0, 0]]


def test_grey_with_opacity_is_grey(tmp_path: Path) -> None:
    PillowImage.new("LA", (3, 2), (90, 255)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, np.full((2, 3, 3), 90))


def test_a_frame_of_an_animation_is_chosen_with_page(tmp_path: Path) -> None:
    frames = [PillowImage.new("RGB", (4, 4), (value, 0, 0)) for value in (0, 100, 200)]
    for name in ("a.gif", "a.webp", "a.png"):
        path = tmp_path / name
        frames[0].save(path, save_all=True, append_images=frames[1:], **_lossless(path))
        assert read_image(path, ReadingOptions(page=2)).pixels[0, 0, 0] == 200
        with pytest.raises(ImageError, match=r"no page 3; it has 3"):
            read_image(path, ReadingOptions(page=3))


def _lossless(path: Path) -> dict[str, bool]:
    return {"lossless": True} if path.suffix == ".webp" else {}


def test_inverted_cmyk_of_adobe_is_read_as_pillow_does(tmp_path: Path) -> None:
    colours = PillowImage.new("RGB", (16, 16), (30, 160, 90)).convert("CMYK")
    colours.save(tmp_path / "a.jpg", quality=95)
    with PillowImage.open(tmp_path / "a.jpg") as same:
        expected = np.asarray(same.convert("RGB"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg").pixels, expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)])
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.gif", "a.tif"])
def test_the_thinnest_pictures_are_read(tmp_path: Path, shape: tuple[int, int], name: str) -> None:
    PillowImage.new("RGB", shape[::-1], RED).save(tmp_path / name)
    assert read_image(tmp_path / name).pixels.shape == (*shape, 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1)])
def test_the_thinnest_sixteen_bit_pages_are_read(tmp_path: Path, shape: tuple[int, int]) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in np.zeros((4, *shape), np.uint16):
            writer.write(page, metadata=None, photometric="minisblack")
    assert read_image(tmp_path / "a.tif", ReadingOptions(page=3)).pixels.shape == (*shape, 3)


def test_a_picture_of_40_000_columns_is_read(tmp_path: Path) -> None:
    PillowImage.new("RGB", (40_000, 3), RED).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").size.width == 40_000


def test_the_bytes_decide_and_not_the_suffix(tmp_path: Path) -> None:
    PillowImage.new("RGB", (4, 4), RED).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").reading.startswith("png")


def test_pixels_and_shape_make_the_key(tmp_path: Path) -> None:
    PillowImage.new("RGB", (4, 2), RED).save(tmp_path / "a.png")
    PillowImage.new("RGB", (4, 2), RED).save(tmp_path / "b.bmp")
    PillowImage.new("RGB", (2, 4), RED).save(tmp_path / "c.png")
    keys = [read_image(tmp_path / name).key for name in ("a.png", "b.bmp", "c.png")]
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 64
