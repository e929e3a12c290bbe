from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ovseg_annotate.datasets.nuclei import validation_names
from ovseg_annotate.errors import OptionError
from ovseg_annotate.training.nuclei import draw_nuclei_window, read_nuclei, training_names


@given(st.integers(0, 60), st.integers(0, 20))
def test_training_and_validation_share_all_pictures_and_none_is_both(many: int, few: int) -> None:
    names = [f"stained_{n:03}.png" for n in range(many)] + [
        f"bright_{n:03}.png" for n in range(few)
    ]
    kept, held_out = set(training_names(names)), set(validation_names(names))
    assert kept.isdisjoint(held_out)
    assert kept | held_out == set(names)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for number in range(5):
        labels = np.zeros((60, 120), np.uint16)
        labels[20:40, 30:70] = number + 1
        name = f"fluorescence_{number}.png"
        Image.fromarray(np.where(labels > 0, 90, 5).astype(np.uint8)).save(
            tmp_path / "images" / name
        )
        Image.fromarray(labels).save(tmp_path / "labels" / name)
    return tmp_path


def test_a_window_has_nuclei_where_the_labels_have_them(folder: Path) -> None:
    pictures = read_nuclei(folder)
    assert len(pictures) == 4
    for seed in range(20):
        window = draw_nuclei_window(pictures, 32, np.random.default_rng(seed))
        assert window.pixels.shape == (32, 32, 3)
        assert window.attributes[0].thing == "dark background"
        nuclei = window.regions == 1
        if nuclei.sum() > 30 and (~nuclei).sum() > 30:
            assert window.pixels[nuclei].mean() > window.pixels[~nuclei].mean() + 15


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no pictures in"):
        read_nuclei(tmp_path)


def test_an_unknown_kind_is_named_with_those_there_are(folder: Path) -> None:
    for number in range(5):
        for part in ("images", "labels"):
            (folder / part / f"fluorescence_{number}.png").rename(
                folder / part / f"xray_{number}.png"
            )
    with pytest.raises(OptionError, match=r"xray.*fluorescence, stained, brightfield"):
        read_nuclei(folder)
