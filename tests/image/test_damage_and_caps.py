"""What must be refused, and how it is said."""

from __future__ import annotations

import os
import struct
import threading
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from ovseg_annotate.errors import ImageError, OptionError
from ovseg_annotate.image import ReadingOptions, from_array, read_image

NAMES = ["a.png", "a.jpg", "a.webp", "a.bmp", "a.gif", "plain.tif", "lzw.tif", "deep.tif"]


def write_picture(path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    if path.name == "deep.tif":
        tifffile.imwrite(path, noise.astype(np.uint16), photometric="rgb", compression="zlib")
        return
    compressed = {"compression": "tiff_lzw"} if path.name == "lzw.tif" else {}
    PillowImage.fromarray(noise).save(path, **compressed)


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, name: str, kept: float) -> None:
    path = tmp_path / name
    write_picture(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ImageError) as refusal:
        read_image(path)
    assert str(path) in str(refusal.value)
    assert "cut off" in str(refusal.value)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ImageError, match=rf"{name}.*empty"):
        read_image(tmp_path / name)


@settings(deadline=None, max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize("name", NAMES)
def test_damaged_bytes_end_in_a_picture_or_an_image_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged-{name}"
    write_picture(path)
    content = bytearray(path.read_bytes())
    # Headers and directories stand at both ends; that is where damage is interesting.
    places = st.integers(0, 200) | st.integers(len(content) - 200, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(ImageError):
        image = read_image(path, ReadingOptions(maximum_pixels=2**16))
        assert image.pixels.shape[2] == 3


def test_a_decompression_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_that_claims(100_000, 100_000))
    with pytest.raises(ImageError, match=r"bomb\.png.*10,000,000,000 pixels.*maximum_pixels"):
        read_image(path)


def test_a_tiff_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, np.zeros((16, 16), np.uint8))
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["ImageWidth"].overwrite(2**20)
        file.pages[0].tags["ImageLength"].overwrite(2**20)
    with pytest.raises(ImageError, match=r"bomb\.tif.*maximum_pixels"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.gif", "plain.tif"])
def test_our_cap_stands_in_place_of_the_process_wide_one_of_pillow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_picture(tmp_path / name)
    # 64 x 64 is more than Pillow now opens, and 60 x 60 would be more than it opens silently.
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 2000)
    with pytest.raises(PillowImage.DecompressionBombError):
        PillowImage.open(tmp_path / name)
    assert read_image(tmp_path / name).size.area == 64 * 64
    assert PillowImage.MAX_IMAGE_PIXELS == 2000


def test_the_pixel_cap_is_exact(tmp_path: Path) -> None:
    PillowImage.new("RGB", (10, 10)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", ReadingOptions(maximum_pixels=100)).size.area == 100
    with pytest.raises(ImageError, match="at most 99"):
        read_image(tmp_path / "a.png", ReadingOptions(maximum_pixels=99))
    with pytest.raises(ImageError, match="at most 99"):
        from_array(np.zeros((10, 10)), ReadingOptions(maximum_pixels=99))


def test_the_byte_cap_is_checked_before_reading(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.bmp")
    with pytest.raises(ImageError, match=r"a\.bmp.*at most 1,000.*maximum_bytes"):
        read_image(tmp_path / "a.bmp", ReadingOptions(maximum_bytes=1000))


def test_a_page_of_too_many_channels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = np.zeros((10, 10, 40), np.uint8)
    tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
    with pytest.raises(ImageError, match=r"4,000 bytes; at most 1,600"):
        read_image(path, ReadingOptions(maximum_pixels=100))


def test_what_is_no_picture_is_refused_with_the_list_of_formats(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("<html>not found</html>")
    with pytest.raises(ImageError, match=r"a\.jpg.*<html>.*PNG, JPEG, WebP, BMP, GIF or TIFF"):
        read_image(tmp_path / "a.jpg")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.png.*no such file"):
        read_image(tmp_path / "nowhere.png")


def test_a_folder_is_not_a_picture(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is a folder"):
        read_image(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="pipe"):
        read_image(tmp_path / "pipe.png")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything"
)
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(ImageError, match=r"a\.png.*cannot be opened"):
        read_image(tmp_path / "a.png")


def test_a_path_through_a_file_is_named(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    with pytest.raises(ImageError, match=r"b\.png.*cannot be opened"):
        read_image(tmp_path / "a.png" / "b.png")


def test_threads_read_with_caps_of_their_own(tmp_path: Path) -> None:
    PillowImage.new("RGB", (50, 50)).save(tmp_path / "a.png")
    outcomes: dict[int, set[str]] = {100: set(), 2500: set()}

    def read(cap: int) -> None:
        for _ in range(20):
            try:
                read_image(tmp_path / "a.png", ReadingOptions(maximum_pixels=cap))
                outcomes[cap].add("read")
            except ImageError:
                outcomes[cap].add("refused")

    threads = [threading.Thread(target=read, args=(cap,)) for cap in outcomes for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {100: {"refused"}, 2500: {"read"}}


@pytest.mark.parametrize(
    "wrong",
    [
        {"percentiles": (50.0, 50.0)},
        {"percentiles": (-1.0, 50.0)},
        {"percentiles": (1.0, 100.5)},
        {"page": -1},
        {"channels": ()},
        {"channels": (0, 1, 2, 3)},
        {"channels": (-1,)},
        {"maximum_pixels": 0},
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        ReadingOptions(**wrong)  # type: ignore[arg-type]
