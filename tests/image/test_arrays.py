from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np
import pytest

from ovseg_annotate.errors import ImageError
from ovseg_annotate.image import ReadingOptions, from_array, images_in


@pytest.mark.parametrize(
    "dtype",
    ["bool", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ">u2", ">f4"],
)
@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 1), (9, 7, 2), (9, 7, 3), (9, 7, 4), (9, 7, 5)])
def test_every_number_type_and_channel_count_gives_a_picture(
    dtype: str, shape: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(0)
    image = from_array((rng.random(shape) * 2).astype(dtype))
    assert image.pixels.shape == (9, 7, 3)
    assert image.pixels.dtype == np.uint8
    assert image.pixels.flags.c_contiguous


def test_eight_bit_colours_are_kept_as_they_are() -> None:
    values = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    np.testing.assert_array_equal(from_array(values).pixels, values)
    np.testing.assert_array_equal(from_array(values[::-1, ::-1]).pixels, values[::-1, ::-1])


def test_a_picture_does_not_follow_its_array() -> None:
    values = np.zeros((4, 5, 3), np.uint8)
    image = from_array(values)
    values[:] = 9
    assert image.pixels.max() == 0


def test_true_is_white() -> None:
    assert from_array(np.array([[True, False]])).pixels[0, :, 0].tolist() == [255, 0]


def test_planes_first_ask_for_the_axis() -> None:
    stack = np.zeros((3, 40, 50), np.uint8)
    stack[0] = 200
    with pytest.raises(ImageError, match=r"\(3, 40, 50\).*channel_axis='first'"):
        from_array(stack)
    image = from_array(stack, ReadingOptions(channel_axis="first"))
    assert image.pixels[0, 0].tolist() == [200, 0, 0]


def test_a_stack_of_colours_asks_for_one_plane() -> None:
    with pytest.raises(ImageError, match="choose one plane"):
        from_array(np.zeros((5, 8, 8, 3)))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (5, 5, 0), (5,), ()])
def test_arrays_without_pixels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImageError):
        from_array(np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.complex64, object, "U3", "M8[s]"])
def test_what_is_no_number_is_refused(dtype: Any) -> None:
    with pytest.raises(ImageError, match="cannot show numbers of type"):
        from_array(np.zeros((4, 4), dtype))


def test_images_in_finds_pictures_below_and_skips_what_is_hidden(tmp_path: Path) -> None:
    names = ["b.PNG", "a.jpg", "notes.txt", ".hidden.png", "sub/c.tiff", ".git/d.png", "sub/.e.bmp"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in images_in(tmp_path)]
    assert found == ["a.jpg", "b.PNG", "sub/c.tiff"]


def test_a_hidden_folder_may_be_asked_for_by_name(tmp_path: Path) -> None:
    (tmp_path / ".pictures").mkdir()
    (tmp_path / ".pictures/a.png").touch()
    assert len(images_in(tmp_path / ".pictures")) == 1


def test_a_folder_without_pictures_says_what_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no pictures.*\.png, \.jpg"):
        images_in(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere.*not there"):
        images_in(tmp_path / "nowhere")


def test_importing_the_readers_imports_no_reader() -> None:
    code = (
        "import sys, ovseg_annotate.image;"
        "print([name for name in ('PIL', 'tifffile', 'torch', 'skimage') if name in sys.modules])"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
