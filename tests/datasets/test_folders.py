from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ovseg_annotate.datasets.folders import open_folder
from ovseg_annotate.datasets.nuclei import (
    is_nuclei_folder,
    validation_folders,
    validation_names,
)
from ovseg_annotate.errors import FormatError, ImageError


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def picture(path: Path, height: int = 6, width: int = 8) -> None:
    save(path, np.full((height, width, 3), 90, np.uint8))


def label_map(path: Path, kind: type[np.generic] = np.uint8) -> None:
    save(path, np.arange(48).reshape(6, 8).astype(kind) // 20)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b", "a"):
        picture(tmp_path / "images" / f"{name}.jpg")
        label_map(tmp_path / "labels" / f"{name}.png")
    (tmp_path / "names.txt").write_text("road\nsky\n")
    return tmp_path


def test_pictures_come_with_their_maps_in_the_order_of_their_names(folder: Path) -> None:
    read = open_folder(folder)
    assert read.names == {1: "road", 2: "sky"}
    pictures = list(read.pictures())
    assert [each.name for each in pictures] == ["a.jpg", "b.jpg"]
    np.testing.assert_array_equal(pictures[0].values, np.arange(48).reshape(6, 8) // 20)
    assert pictures[0].pixels.shape == (6, 8, 3)


def test_a_table_names_values_that_are_not_in_a_row(folder: Path) -> None:
    (folder / "names.txt").unlink()
    (folder / "labels.csv").write_text("value,concept,colour\n1,road,#000000\n2,sky,\n40,car,\n")
    assert open_folder(folder).names == {1: "road", 2: "sky", 40: "car"}


def test_sixteen_bit_instances_need_no_names(folder: Path) -> None:
    (folder / "names.txt").unlink()
    save(folder / "labels" / "a.png", np.full((6, 8), 40_000, np.uint16))
    read = open_folder(folder)
    assert not read.names
    assert next(read.pictures()).values.max() == 40_000


def test_a_value_without_a_name_is_an_error_that_names_the_file(folder: Path) -> None:
    (folder / "names.txt").write_text("road\n")
    with pytest.raises(FormatError, match=r"a\.png has value 2.*there is: 1"):
        list(open_folder(folder).pictures())


def test_void_needs_no_name(folder: Path) -> None:
    save(folder / "labels" / "a.png", np.full((6, 8), 255, np.uint8))
    assert next(open_folder(folder).pictures()).values.max() == 255


def test_a_map_of_another_size_is_refused(folder: Path) -> None:
    picture(folder / "images" / "a.jpg", 7, 8)
    with pytest.raises(ImageError, match=r"8 x 6 px.*8 x 7"):
        list(open_folder(folder).pictures())


def test_a_picture_without_a_map_is_refused(folder: Path) -> None:
    picture(folder / "images" / "c.png")
    with pytest.raises(FormatError, match=r"c\.png has no label map"):
        open_folder(folder)


def test_a_folder_of_something_else_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"no folder of pictures.*images, pictures"):
        open_folder(tmp_path)


def test_a_coloured_map_is_refused(folder: Path) -> None:
    save(folder / "labels" / "a.png", np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(ImageError, match="one whole number a pixel"):
        list(open_folder(folder).pictures())


def test_a_damaged_table_names_its_line(folder: Path) -> None:
    (folder / "names.txt").unlink()
    (folder / "labels.csv").write_text("value,concept\n1,road\ntwo,sky\n")
    with pytest.raises(FormatError, match=r"line 3.*'two'"):
        open_folder(folder)


def test_every_fifth_picture_of_each_kind_is_for_validation() -> None:
    names = [f"stained_{number}.png" for number in range(6)]
    names += [f"fluorescence_{number:02d}.png" for number in range(11)]
    assert validation_names(reversed(names)) == (
        "fluorescence_00.png",
        "fluorescence_05.png",
        "fluorescence_10.png",
        "stained_0.png",
        "stained_5.png",
    )


def test_a_nuclei_folder_is_read_kind_by_kind(tmp_path: Path) -> None:
    rows = ["name,kind,width,height,nuclei"]
    for kind in ("stained", "fluorescence"):
        for number in range(7):
            picture(tmp_path / "images" / f"{kind}_{number}.png")
            label_map(tmp_path / "labels" / f"{kind}_{number}.png", np.uint16)
            rows.append(f"{kind}_{number},{kind},8,6,2")
    assert not is_nuclei_folder(tmp_path)
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    assert is_nuclei_folder(tmp_path)
    read = validation_folders(tmp_path)
    assert {kind: [each.name for each in folder.pictures()] for kind, folder in read.items()} == {
        "fluorescence": ["fluorescence_0.png", "fluorescence_5.png"],
        "stained": ["stained_0.png", "stained_5.png"],
    }


def test_no_validation_picture_is_trained_on() -> None:
    from ovseg_annotate.training.nuclei import training_names  # noqa: PLC0415

    names = [f"{kind}_{number:03d}.png" for kind in ("stained", "x") for number in range(40)]
    assert not set(validation_names(names)) & set(training_names(names))
