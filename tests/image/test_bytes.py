"""Pictures that come as bytes, as from a server, read as the same files are."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from ovseg_annotate.errors import ImageError
from ovseg_annotate.image import ReadingOptions, image_of_bytes, read_image

PIXELS = np.random.default_rng(3).integers(0, 255, (20, 30, 3), dtype=np.uint8)


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "tiff stack":
        planes = np.stack([PIXELS[..., 0].astype(np.uint16) * 9] * 3)
        tifffile.imwrite(file, planes, photometric="minisblack")
    else:
        PillowImage.fromarray(PIXELS).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "bmp", "gif", "tiff", "tiff stack"])
def test_bytes_give_the_picture_of_their_file(kind: str, tmp_path: Path) -> None:
    data = encoded(kind)
    path = tmp_path / "a"
    path.write_bytes(data)
    found, expected = image_of_bytes(data, "a"), read_image(path)
    assert (found.key, found.reading) == (expected.key, expected.reading)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"hello", "not a picture"),
        (encoded("png")[:60], "damaged"),
        (encoded("tiff")[:60], "damaged"),
        (encoded("bmp"), "raise maximum_bytes"),
    ],
)
def test_an_error_calls_the_picture_by_the_name_that_was_given(data: bytes, said: str) -> None:
    limit = ReadingOptions(maximum_bytes=1700)
    with pytest.raises(ImageError, match=said) as caught:
        image_of_bytes(data, "the picture of task 3", limit)
    assert str(caught.value).startswith("the picture of task 3")
