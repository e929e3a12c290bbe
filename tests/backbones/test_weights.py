from __future__ import annotations

import json
import pickle
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from backbones.micro import CONTEXT, VOCABULARY_SIZE, micro_config, random_state, write_micro_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor

from ovseg_annotate.backbones.checkpoints import fill_from_file, read_state
from ovseg_annotate.backbones.digests import sha256_of
from ovseg_annotate.backbones.folder import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE
from ovseg_annotate.backbones.hub import Report
from ovseg_annotate.backbones.network import build_network, fill_at_random
from ovseg_annotate.backbones.published import Published
from ovseg_annotate.backbones.tower import Clip, VisionTower
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.errors import ModelError, WeightsError
from ovseg_annotate.geometry import Size

WINDOW = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_micro_clip(tmp_path_factory.mktemp("towers") / "micro")


@pytest.fixture
def own(micro: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(micro, tmp_path / "own"))


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A hub that has one file for every name."""

    file: Path

    def fetch(self, wanted: Published, *, offline: bool, report: Report | None) -> Path:
        del wanted, offline, report
        return self.file


def embedding(clip: Clip) -> Tensor:
    vision = cast(VisionTower, clip.vision)
    tokens, grid = vision.embed(WINDOW)
    for block in vision.blocks_on(grid):
        tokens = block(tokens)
    return vision.project(tokens)


def rewrite(folder: Path, change: Callable[[dict[str, Tensor]], Any]) -> None:
    state = load_file(folder / WEIGHTS_FILE)
    change(state)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / WEIGHTS_FILE)


def edit_json(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_a_folder_gives_towers_that_share_a_space(micro: Path) -> None:
    clip = load_clip(str(micro), offline=True)
    assert clip.card.window == Size(32, 32)
    assert clip.card.stride == 8
    assert clip.card.mean == (0.5, 0.5, 0.5)
    assert clip.card.std == (0.25, 0.25, 0.25)
    assert embedding(clip).shape == (1, 17, clip.card.width)
    assert clip.text.encode(["red cat"]).shape == (1, clip.card.width)
    assert clip.text.longest_phrase == CONTEXT


def test_the_card_of_a_folder_reaches_the_tower(own: Path) -> None:
    card = {
        "licence": "CC0",
        "templates": "plain",
        "scale": 12,
        "threshold": 0.3,
        "short_side": None,
        "known_words": ["cat", "dog"],
        "trained_on": "nothing: it may say more than the program reads",
    }
    (own / CARD_FILE).write_text(json.dumps(card))
    loaded = load_clip(str(own)).card
    assert (loaded.licence, loaded.templates, loaded.scale) == ("CC0", "plain", 12.0)
    assert (loaded.threshold, loaded.short_side) == (0.3, None)
    assert loaded.known_words == ("cat", "dog")


def test_the_tokenizer_of_a_folder_stays_within_its_table(micro: Path) -> None:
    text = load_clip(str(micro)).text
    assert text.token_count("red cat dog") == 5
    assert text.token_count("zebra") > 3
    hardest = "ÿ漢字 zebra!"
    assert text.token_count(hardest) <= CONTEXT
    assert text.encode([hardest]).isfinite().all()
    assert VOCABULARY_SIZE < 49_408


def test_weights_are_those_of_the_file(micro: Path, own: Path) -> None:
    first, again = load_clip(str(micro)), load_clip(str(own))
    assert torch.equal(embedding(first), embedding(again))
    assert first.card.weights_digest == again.card.weights_digest
    assert first.card.weights_digest == sha256_of(micro / WEIGHTS_FILE)
    rewrite(own, lambda state: state["visual.proj"].mul_(2))
    other = load_clip(str(own))
    torch.testing.assert_close(embedding(other), 2 * embedding(first))
    assert other.card.weights_digest != first.card.weights_digest


def test_loaded_towers_are_single_precision_frozen_and_at_rest(own: Path) -> None:
    rewrite(own, lambda state: state.update({n: t.half() for n, t in state.items()}))
    for module in load_clip(str(own)).modules:
        assert not module.training
        for weights in module.parameters():
            assert weights.dtype == torch.float32
            assert not weights.requires_grad


def test_loading_leaves_the_globals_of_torch_alone(micro: Path) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    load_clip(str(micro))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_default_dtype() == torch.float32
    assert torch.get_default_device() == torch.device("cpu")
    assert torch.is_grad_enabled()


def test_random_weights_differ_by_seed_only() -> None:
    one, same, other = (build_network("micro", micro_config()) for _ in range(3))
    for network, seed in ((one, 1), (same, 1), (other, 2)):
        fill_at_random(network, seed)
    for name, weights in one.state_dict().items():
        assert torch.equal(weights, same.state_dict()[name])
        assert weights.isfinite().all()
    assert not torch.allclose(one.visual.proj, other.visual.proj)
    assert one.visual.proj.std() == pytest.approx(64**-0.5, rel=0.1)
    assert one.visual.conv1.weight.std() == pytest.approx(0.02, rel=0.1)


def test_a_random_tower_works_like_any_other() -> None:
    clip = load_clip("random:ViT-S-32-alt:7")
    assert clip.card.licence == "none (random)"
    assert clip.card.window == Size(224, 224)
    assert len(clip.card.weights_digest) == 64
    scores = clip.text.encode(["a", "b"]) @ clip.text.encode(["a"]).T
    assert scores[0].item() == pytest.approx(1.0)
    assert scores[1].item() < 0.999


def damage_nan(folder: Path) -> None:
    rewrite(folder, lambda state: state["visual.ln_post.weight"].fill_(float("nan")))


def damage_infinity(folder: Path) -> None:
    rewrite(folder, lambda state: state["token_embedding.weight"][3].fill_(float("inf")))


def damage_shape(folder: Path) -> None:
    rewrite(folder, lambda state: state.update({"visual.proj": torch.zeros(64, 31)}))


def damage_positions(folder: Path) -> None:
    rewrite(
        folder, lambda state: state.update({"visual.positional_embedding": torch.zeros(26, 64)})
    )


def damage_missing(folder: Path) -> None:
    rewrite(folder, lambda state: state.pop("text_projection"))


def damage_surplus(folder: Path) -> None:
    rewrite(folder, lambda state: state.update({"visual.extra": torch.zeros(2)}))


def damage_truncated(folder: Path) -> None:
    file = folder / WEIGHTS_FILE
    file.write_bytes(file.read_bytes()[:-1000])


def damage_empty(folder: Path) -> None:
    (folder / WEIGHTS_FILE).write_bytes(b"")


def damage_gone(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()


def damage_merges(folder: Path) -> None:
    (folder / "bpe.txt.gz").unlink()


def damage_config(folder: Path) -> None:
    (folder / CONFIG_FILE).write_text("{")


def damage_config_table(folder: Path) -> None:
    edit_json(folder / CONFIG_FILE, lambda config: config.pop("preprocess_cfg"))


def damage_card(folder: Path) -> None:
    (folder / CARD_FILE).write_text('{"threshold": "high"}')


DAMAGE = {
    damage_nan: ["tensor visual.ln_post.weight", "NaN"],
    damage_infinity: ["tensor token_embedding.weight", "infinite"],
    damage_shape: ["tensor visual.proj", "(64, 31)", "(64, 32)"],
    damage_positions: ["visual.positional_embedding", "(26, 64)", "(17, 64)"],
    damage_missing: ["1 tensors are missing", "text_projection"],
    damage_surplus: ["no place for 1 tensors", "visual.extra"],
    damage_truncated: ["damaged"],
    damage_empty: ["damaged"],
    damage_gone: [WEIGHTS_FILE, "copy the whole folder"],
    damage_merges: ["byte-pair table", "found 0"],
    damage_config: [CONFIG_FILE, "cannot be read"],
    damage_config_table: [CONFIG_FILE, "preprocess_cfg"],
    damage_card: [CARD_FILE, "threshold", "high"],
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_a_spoilt_folder_is_named_with_what_is_wrong(
    own: Path, damage: Callable[[Path], None]
) -> None:
    damage(own)
    with pytest.raises(WeightsError) as refusal:
        load_clip(str(own))
    assert str(own) in str(refusal.value)
    for words in DAMAGE[damage]:
        assert words in str(refusal.value)


def test_a_torch_file_of_tensors_is_read(tmp_path: Path) -> None:
    state = random_state(micro_config(), seed=4)
    file = tmp_path / "weights.bin"
    torch.save({"state_dict": {f"module.{n}": t for n, t in state.items()}, "epoch": 3}, file)
    network = build_network("micro", micro_config())
    fill_from_file(network, file)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name])


@pytest.mark.parametrize("scale", [None, torch.ones(()), torch.ones(1)])
def test_the_scale_of_the_training_loss_may_be_absent_or_a_list(
    micro: Path, own: Path, scale: Tensor | None
) -> None:
    def change(state: dict[str, Tensor]) -> None:
        del state["logit_scale"]
        state["logit_bias"] = torch.zeros(1)
        if scale is not None:
            state["logit_scale"] = scale

    rewrite(own, change)
    assert torch.equal(embedding(load_clip(str(own))), embedding(load_clip(str(micro))))


class RunsCode:
    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("/tmp/a-weights-file-ran-code", "w"))  # noqa: S108  never opened


def test_a_torch_file_that_could_run_code_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    torch.save({"weights": RunsCode()}, file)
    with pytest.raises(WeightsError, match="could run code when opened; it was not opened"):
        read_state(file)
    file.write_bytes(pickle.dumps(RunsCode(), protocol=2))
    with pytest.raises(WeightsError):
        read_state(file)
    assert not Path("/tmp/a-weights-file-ran-code").exists()  # noqa: S108


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("minni", ["unknown weights 'minni'", "CONFIGURATION/TAG"]),
        ("ViT-B-16-quickgelu", ["no weights are named", "ViT-B-16-quickgelu/openai"]),
        ("ViT-B-16-quickgelu/opena", ["unknown weights 'opena'", "ViT-B-16-quickgelu/openai"]),
        ("no/such/folder", ["unknown configuration 'no'"]),
        ("random:ViT-B16", ["got 'random:ViT-B16'", "ViT-B-16"]),
        ("random:ViT-B-16:x", ["SEED", "'random:ViT-B-16:x'"]),
        ("random:RN50", ["cannot give dense features"]),
        ("", ["unknown weights ''"]),
    ],
)
def test_a_name_that_means_nothing_is_answered_with_the_nearest(
    name: str, words: list[str]
) -> None:
    with pytest.raises(ModelError) as refusal:
        load_clip(name, offline=True)
    for word in words:
        assert word in str(refusal.value)


def test_published_weights_of_another_network_are_refused(micro: Path) -> None:
    hub = LocalFile(micro / WEIGHTS_FILE)
    with pytest.raises(WeightsError, match=r"has shape .* belongs to another configuration"):
        load_clip("ViT-B-32-quickgelu/openai", hub=hub)


@pytest.mark.skipif(find_spec("transformers") is not None, reason="the library is installed")
def test_a_missing_tokenizer_is_told_before_any_download(micro: Path) -> None:
    with pytest.raises(ModelError, match="pip install transformers"):
        load_clip("ViT-B-16-SigLIP2/webli", hub=LocalFile(micro / WEIGHTS_FILE))


@pytest.mark.parametrize("zipped", [True, False])
@settings(max_examples=60)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_torch_file_with_a_flipped_bit_is_read_or_refused(
    zipped: bool, place: int, bit: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "weights.pt"
        state = {"a": torch.zeros(3), "b": torch.ones(2, 2)}
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
        content = bytearray(path.read_bytes())
        content[place % len(content)] ^= 1 << bit
        path.write_bytes(content)
        with suppress(WeightsError):
            read_state(path)
