from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from cost.fixture_trunk import PUBLISHED, fixture_tower, published_checkpoint, write_checkpoint
from engines.fixture_tower import tensors_of

from ovseg_annotate.backbones.catseg_checkpoint import read_catseg_checkpoint
from ovseg_annotate.backbones.checkpoints import fill
from ovseg_annotate.cost.options import TrunkOptions, TrunkSizes
from ovseg_annotate.cost.trunk import CostTrunk
from ovseg_annotate.errors import WeightsError

QUERIES = "sem_seg_head.predictor.clip_model.visual.transformer.resblocks.0.attn.q_proj_weight"


def test_every_tensor_of_a_published_checkpoint_has_one_place(tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path / "model.pth", published_checkpoint())
    parts = read_catseg_checkpoint(file)
    assert set(parts.trunk) == set(CostTrunk(PUBLISHED, TrunkOptions()).state_dict())
    assert not parts.further


def test_the_tower_of_a_checkpoint_has_its_attention_in_one_piece(tmp_path: Path) -> None:
    parts = read_catseg_checkpoint(write_checkpoint(tmp_path / "model.pth", published_checkpoint()))
    tower = {name.removeprefix("visual."): weights for name, weights in parts.tower.items()}
    expected = fixture_tower()._visual.state_dict()
    assert set(tower) == set(expected)
    fused = "transformer.resblocks.2.attn.in_proj_weight"
    assert torch.equal(tower[fused], tensors_of("catseg")[f"weights.visual.{fused}"])


def test_what_another_system_adds_is_kept_by_its_own_name(tmp_path: Path) -> None:
    added = {
        "transformer.conv2.weight": torch.ones(32, 1, 7, 7),
        "transformer.Local_align.txt.weight": torch.ones(289, 32),
        "transformer.corr_local_decoder_projection.1.double_conv.0.weight": torch.ones(16, 16),
        "DCDT.gamma_text": torch.ones(32),
        "proj.vis.1.0.weight": torch.ones(32),
    }
    state = published_checkpoint()
    state |= {f"sem_seg_head.predictor.{name}": weights for name, weights in added.items()}
    parts = read_catseg_checkpoint(write_checkpoint(tmp_path / "model.pth", state))
    assert set(parts.further) == set(added)
    assert set(parts.trunk) == set(CostTrunk(PUBLISHED, TrunkOptions()).state_dict())


def test_a_tower_alone_is_no_checkpoint_of_the_system(tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path / "clip.pth", {"visual.proj": torch.ones(2, 2)})
    with pytest.raises(WeightsError, match=r"no checkpoint of CAT-Seg.*visual\.proj"):
        read_catseg_checkpoint(file)


def test_a_checkpoint_of_another_size_is_refused_by_name(tmp_path: Path) -> None:
    file = write_checkpoint(tmp_path / "model.pth", published_checkpoint())
    other = CostTrunk(TrunkSizes(shared=16, tower=32), TrunkOptions())
    with pytest.raises(WeightsError, match="the network needs"):
        fill(other, read_catseg_checkpoint(file).trunk, file)


def test_queries_without_keys_are_damage(tmp_path: Path) -> None:
    state = published_checkpoint()
    del state[QUERIES.replace("q_proj", "k_proj")]
    with pytest.raises(WeightsError, match="lacks one of its q, k and v weights"):
        read_catseg_checkpoint(write_checkpoint(tmp_path / "model.pth", state))


def test_a_checkpoint_that_would_run_code_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "model.pth"
    file.write_bytes(pickle.dumps({"model": print}, protocol=2))
    with pytest.raises(WeightsError, match="could run code"):
        read_catseg_checkpoint(file)
