from __future__ import annotations

from pathlib import Path

import pytest
import torch
from engines.fixture_tower import tensors_of
from grouping.pgseg_fixtures import (
    ENCODER,
    ENCODER_SIZES,
    assert_relative,
    published_checkpoint,
    write_checkpoint,
)

from ovseg_annotate.backbones.group_checkpoint import read_group_checkpoint
from ovseg_annotate.backbones.group_weights import load_published
from ovseg_annotate.errors import WeightsError


def written(folder: Path, without: str = "") -> Path:
    state = {
        name: value
        for name, value in published_checkpoint().items()
        if not without or without not in name
    }
    return write_checkpoint(folder / "pgseg.pth", state)


def test_sizes_are_read_off_the_tensors(tmp_path: Path) -> None:
    found = read_group_checkpoint(written(tmp_path), heads=4)
    assert found.sizes == ENCODER_SIZES
    assert found.prototypes


def test_a_published_checkpoint_sees_what_it_should(tmp_path: Path) -> None:
    loaded = load_published(written(tmp_path), "pgseg.pth", heads=4)
    published = tensors_of(ENCODER)
    with torch.no_grad():
        seen = loaded.network.eval().image(published["in.image_native"])
    assert_relative(seen.segments, published["out.segments_native"])
    assert loaded.parts.window == 192
    assert "not commercial" in loaded.licence


def test_released_prototypes_of_single_numbers_are_left_out(tmp_path: Path) -> None:
    assert "word_memory.means" not in read_group_checkpoint(written(tmp_path), heads=4).state


def test_a_plain_groupvit_runs_without_prototypes(tmp_path: Path) -> None:
    file = written(tmp_path, without="downsample_spatial")
    loaded = load_published(file, "groupvit.pth", heads=4)
    assert not loaded.parts.prototypes


def test_a_checkpoint_of_another_system_is_refused(tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path / "other.pth", {"sem_seg_head.weight": torch.zeros(2)})
    with pytest.raises(WeightsError, match=r"no checkpoint of PGSeg.*sem_seg_head.weight"):
        read_group_checkpoint(file)


def test_a_checkpoint_that_lacks_a_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="missing"):
        load_published(written(tmp_path, without="text_projector"), "cut.pth", heads=4)
    with pytest.raises(WeightsError, match="missing"):
        load_published(written(tmp_path, without="img_projector"), "cut.pth", heads=4)


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    state = published_checkpoint()
    state["img_encoder.norm.bias"] = torch.full((40,), torch.nan)
    with pytest.raises(WeightsError, match="NaN"):
        load_published(write_checkpoint(tmp_path / "nan.pth", state), "nan.pth", heads=4)


def test_the_number_of_heads_must_divide_the_width(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="heads"):
        read_group_checkpoint(written(tmp_path), heads=3)
