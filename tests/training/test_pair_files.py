from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from ovseg_annotate.errors import FormatError
from ovseg_annotate.training.pair_files import PairFiles, random_window


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (20, 12), (shade, 0, 0)).save(file, "png")
    return file.getvalue()


def write_table(folder: Path, count: int, broken: int = 0) -> Path:
    lines = ["filepath,title"]
    for number in range(count):
        content = b"nothing" if number < broken else picture(number)
        (folder / f"{number}.png").write_bytes(content)
        lines.append(f"{number}.png,shade {number}")
    table = folder / "pairs.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def write_archive(file: Path, first: int, count: int) -> None:
    with tarfile.open(file, "w") as archive:
        for number in range(first, first + count):
            texts = ((".png", picture(number)), (".txt", f"shade {number}".encode()))
            for suffix, content in texts:
                member = tarfile.TarInfo(f"{number:05}{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def texts(files: PairFiles, number: int, count: int) -> list[str]:
    return [pair.text for pair in files.draw(number, count, np.random.default_rng(number))]


def test_a_number_gives_the_same_pairs_again_and_others_give_others(tmp_path: Path) -> None:
    table = write_table(tmp_path, 30)
    first = texts(PairFiles(table), 3, 8)
    assert texts(PairFiles(table), 3, 8) == first
    assert texts(PairFiles(table), 4, 8) != first
    assert len(set(first)) == 8


def test_a_text_stays_with_its_picture(tmp_path: Path) -> None:
    pairs = PairFiles(write_table(tmp_path, 9)).draw(0, 5, np.random.default_rng(0))
    assert [f"shade {pair.image.pixels[0, 0, 0]}" for pair in pairs] == [
        pair.text for pair in pairs
    ]


def test_all_archives_of_a_folder_take_part_one_at_a_time(tmp_path: Path) -> None:
    for number in range(3):
        write_archive(tmp_path / f"{number}.tar", 10 * number, 10)
    files = PairFiles(tmp_path)
    batches = [texts(files, number, 4) for number in range(0, 160, 8)]
    archives = [{int(text.split()[1]) // 10 for text in batch} for batch in batches]
    assert all(len(each) == 1 for each in archives)
    assert set.union(*archives) == {0, 1, 2}


def test_a_picture_that_cannot_be_read_is_made_up_for(tmp_path: Path) -> None:
    files = PairFiles(write_table(tmp_path, 40, broken=1))
    for number in range(5):
        drawn = texts(files, number, 20)
        assert len(drawn) == 20
        assert "shade 0" not in drawn


def test_too_many_pictures_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    files = PairFiles(write_table(tmp_path, 30, broken=20))
    with pytest.raises(FormatError, match=r"more than 10% .*repair"):
        texts(files, 0, 10)


def test_an_empty_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no pairs"):
        texts(PairFiles(write_table(tmp_path, 0)), 0, 2)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    smallest=st.floats(0.01, 1),
    seed=st.integers(0, 99),
)
def test_a_window_of_any_picture_has_the_side_that_was_asked_for(
    height: int, width: int, smallest: float, seed: int
) -> None:
    pixels = np.full((height, width, 3), 77, np.uint8)
    window = random_window(pixels, 16, smallest, np.random.default_rng(seed))
    assert window.shape == (16, 16, 3)
    assert (window == 77).all()
