"""Published checkpoints as engines: a micro tower and a tiny head in the published format."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from backbones.micro import CONTEXT, micro_config, random_state, write_micro_clip
from cost.fixture_fgaseg import PUBLISHED, published_fgaseg
from cost.fixture_trunk import write_checkpoint
from engines.contract import WORDS
from torch import Tensor

from ovseg_annotate.backbones.folder import read_folder
from ovseg_annotate.backbones.tokens import tokenizer_of_folder
from ovseg_annotate.backbones.tuned_clip import TunedTower, clip_of_state, tuned_clip
from ovseg_annotate.catalog import open_engine, weights_digest
from ovseg_annotate.cost.fgaseg_head import FgasegHead
from ovseg_annotate.cost.fgaseg_options import FgasegOptions
from ovseg_annotate.engines.cost_engine import CostEngine
from ovseg_annotate.engines.fgaseg import OPTIONS, make_fgaseg, open_fgaseg, published_head
from ovseg_annotate.engines.published_heads import is_published, open_published
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.errors import WeightsError

CONFIGURATION = micro_config() | {  # of the tower in the fixture
    "vision_cfg": {
        "image_size": 48,
        "patch_size": 4,
        "width": 32,
        "layers": 4,
        "head_width": 8,
    },
    "quick_gelu": True,
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture's tower and head with the micro tower's reader of text."""
    folder = tmp_path_factory.mktemp("published")
    write_micro_clip(folder / "tower")
    text = {
        name: weights
        for name, weights in random_state(CONFIGURATION, 0).items()
        if not name.startswith("visual.")
    }
    return write_checkpoint(folder / "model.pth", published_fgaseg() | split_attention(text))


def split_attention(tower: dict[str, Tensor]) -> dict[str, Tensor]:
    """As the published files name a tower, queries, keys and values apart."""
    state = {}
    for name, weights in tower.items():
        whole = f"sem_seg_head.predictor.clip_model.{name}"
        if not name.endswith("in_proj_weight"):
            state[whole] = weights
            continue
        for part, third in zip("qkv", weights.chunk(3), strict=True):
            state[whole.replace("in_proj_weight", f"{part}_proj_weight")] = third.clone()
    return state


def opened(file: Path, **options: object) -> CostEngine:
    """By a reader of towers that knows this one."""
    folder = read_folder(file.parent / "tower")
    clip = partial(
        clip_of_state,
        configuration=CONFIGURATION,
        tokenizer=tokenizer_of_folder(folder.merges, CONTEXT),
        known=TunedTower("micro", 48),
    )
    request = EngineRequest("fgaseg", str(file), {}, None, True, None)
    reader = partial(published_head, changes=options, keep=None)
    return open_published(request, make_fgaseg, reader, OPTIONS(templates="plain"), clip)


def windows() -> Tensor:
    return torch.randn((2, 3, 48, 48), generator=torch.Generator().manual_seed(0))


def test_a_published_file_answers_as_head_and_tower_in_it_do(file: Path) -> None:
    engine = opened(file)
    assert engine.card.name == f"fgaseg@{file}"
    assert engine.card.window.height == 48
    seen = engine.encode_image(windows())
    scores = engine.score(seen, engine.encode_text(WORDS)).values
    assert scores.shape == (2, len(WORDS), 48, 48)
    assert scores.std() > 0
    assert isinstance(engine.head, FgasegHead)
    assert engine.head.options == FgasegOptions(sizes=PUBLISHED, text_layers=2, align_weight=0.0)
    again = opened(file)
    torch.testing.assert_close(again.score(seen, again.encode_text(WORDS)).values, scores)


def test_every_number_of_the_file_counts(file: Path, tmp_path: Path) -> None:
    state = torch.load(file, weights_only=True)["model"]
    before = opened(file)
    expected = before.score(before.encode_image(windows()), before.encode_text(WORDS)).values
    write_micro_clip(tmp_path / "tower")
    for name in (
        "sem_seg_head.predictor.clip_model.visual.transformer.resblocks.1.attn.v_proj_weight",
        "sem_seg_head.predictor.clip_model.transformer.resblocks.0.attn.q_proj_weight",
        "sem_seg_head.predictor.transformer.Local_align.txt.weight",
        "upsample1.weight",
    ):
        changed = write_checkpoint(tmp_path / "model.pth", {**state, name: 2 * state[name]})
        engine = opened(changed)
        scores = engine.score(engine.encode_image(windows()), engine.encode_text(WORDS)).values
        assert not torch.equal(scores, expected)
        assert engine.card.weights_digest != before.card.weights_digest


def test_a_published_file_is_told_by_its_ending(file: Path) -> None:
    assert is_published(str(file))
    assert not is_published("mini")
    assert not is_published(str(file.with_name("nothing.pth")))


def test_a_tower_that_nobody_published_is_refused(file: Path) -> None:
    request = EngineRequest("fgaseg", str(file), {}, None, True, None)
    with pytest.raises(WeightsError, match=r"width 32, 4 px\).*ViT-B-16-quickgelu"):
        open_fgaseg(request)
    with pytest.raises(WeightsError, match=r"image tower is not known \(none\)"):
        tuned_clip({}, file)


def test_a_checkpoint_with_more_than_the_trunk_is_not_the_plain_one(file: Path) -> None:
    with pytest.raises(WeightsError, match="if it is of FGAseg write fgaseg@"):
        open_engine(f"catseg@{file}", offline=True)


def test_the_digest_of_a_checkpoint_is_told_by_the_loaded_engine_only(file: Path) -> None:
    assert weights_digest(f"fgaseg@{file}") is None
