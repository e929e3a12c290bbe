from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage
from PIL import ImageOps

from ovseg_annotate.image import read_image

CORNERS = np.zeros((32, 48, 3), np.uint8)
CORNERS[:16, :16] = (255, 0, 0)
CORNERS[16:, 32:] = (0, 0, 255)
CORNERS[:16, 32:] = (0, 255, 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_every_exif_orientation_is_applied_once(
    tmp_path: Path, orientation: int, name: str
) -> None:
    path = tmp_path / name
    picture = PillowImage.fromarray(CORNERS)
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    exact = {"a.webp": {"lossless": True}, "a.jpg": {"quality": 100, "subsampling": 0}}
    picture.save(path, exif=exif, **exact.get(name, {}))
    tagged = picture.copy()
    tagged.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(tagged))
    image = read_image(path)
    assert image.pixels.shape == expected.shape
    assert image.pixels.flags.c_contiguous
    np.testing.assert_allclose(image.pixels.astype(int), expected, atol=4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_compressed_and_plain_tiff_turn_alike(tmp_path: Path, orientation: int) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    picture = PillowImage.fromarray(CORNERS)
    picture.save(tmp_path / "plain.tif", exif=exif)
    picture.save(tmp_path / "lzw.tif", exif=exif, compression="tiff_lzw")
    np.testing.assert_array_equal(
        read_image(tmp_path / "plain.tif").pixels, read_image(tmp_path / "lzw.tif").pixels
    )


def test_an_orientation_that_does_not_exist_is_ignored(tmp_path: Path) -> None:
    tag = (274, "H", 1, 77, True)
    tifffile.imwrite(tmp_path / "a.tif", CORNERS, photometric="rgb", extratags=[tag])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, CORNERS)


def test_the_reading_names_the_orientation(tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    PillowImage.fromarray(CORNERS).save(tmp_path / "a.png", exif=exif)
    assert "orientation 6" in read_image(tmp_path / "a.png").reading
