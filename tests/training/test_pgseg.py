from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engines.contract import WORDS
from grouping.pgseg_fixtures import TINY
from safetensors.torch import load_file

from ovseg_annotate.backbones.group_text import published_merges
from ovseg_annotate.backbones.group_weights import load_trained
from ovseg_annotate.backbones.system_folder import find_system
from ovseg_annotate.engines.pgseg import PgsegEngine, open_pgseg
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.errors import FormatError, OptionError, RunError, WeightsError
from ovseg_annotate.options import read_options
from ovseg_annotate.training.checkpoints import load_checkpoint
from ovseg_annotate.training.loop import FAILED_BATCHES_FILE, train
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.pgseg import PgsegTraining, Stages
from ovseg_annotate.training.pgseg_batches import PairBatches, PairPictures, Reading
from ovseg_annotate.training.pgseg_probe import ProbedScenes, mean_iou
from ovseg_annotate.training.pgseg_recipe import PgsegRecipe, PgsegUse
from ovseg_annotate.training.progress import Progress, read_log
from tests.training.test_pair_files import write_table
from tests.training.torchrun import run_two
from tests.training.two_processes_gathering import ROWS, whole_loss

STEPS = 6
TINY_RECIPE = PgsegRecipe(
    skipped=0.1,
    sizes=replace(TINY, text_tokens=24),
    pictures=PairPictures(pictures=4, pool=12),
    stages=Stages(groupvit=2, fewest_words=4),
    use=PgsegUse(template="{}", window=32, short_side=None, threshold=0.2),
    loop=LoopOptions(
        steps=STEPS, precision="fp32", warmup_steps=1, log_every=1, checkpoint_every=2, seed=3
    ),
)
ON_MINI = replace(
    TINY_RECIPE,
    tower="mini",
    sizes=replace(
        TINY,
        image=96,
        width=192,
        heads=3,
        stem=1,
        depths=(0, 1, 1),
        hidden=256,
        shared=128,
        text_width=128,
        text_layers=3,
        quick=False,
    ),
    pictures=PairPictures(pictures=2, pool=2),
    use=replace(TINY_RECIPE.use, window=96),
)


def opened(folder: Path) -> PgsegEngine:
    return open_pgseg(EngineRequest("pgseg", str(folder), {}, None, True, None))


class KilledError(Exception):
    pass


def killed_at(step: int) -> object:
    def look(progress: Progress) -> None:
        if progress.step == step:
            raise KilledError

    return look


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from its beginning to its end."""
    folder = tmp_path_factory.mktemp("whole")
    TINY_RECIPE.train(folder)
    return folder


def test_prototypes_join_in_the_second_stage(whole: Path) -> None:
    parts = [set(record.losses) for record in read_log(whole)]
    everything = {"captions", "cells", "segments", "words"}
    assert parts == [{"captions"}] * 2 + [everything] * 4


def test_memories_of_prototypes_move_in_the_second_stage_only(tmp_path: Path) -> None:
    first = replace(TINY_RECIPE, loop=replace(TINY_RECIPE.loop, steps=2))
    first.train(tmp_path)
    before = load_checkpoint(tmp_path)
    TINY_RECIPE.train(tmp_path)
    after = load_checkpoint(tmp_path)
    assert before is not None
    assert after is not None
    for name in ("image.stages.0.memory.means", "image.stages.1.memory.means", "word_memory.means"):
        start = before.module[name].norm(dim=2)
        torch.testing.assert_close(start, torch.ones_like(start))  # as drawn
        assert not torch.equal(before.module[name], after.module[name])


def test_a_training_that_was_broken_off_goes_on_with_the_same_losses(
    whole: Path, tmp_path: Path
) -> None:
    with pytest.raises(KilledError):
        TINY_RECIPE.train(tmp_path, killed_at(5))  # type: ignore[arg-type]
    assert load_checkpoint(tmp_path).step == 4  # type: ignore[union-attr]
    TINY_RECIPE.train(tmp_path)
    assert [each.losses for each in read_log(tmp_path)] == [each.losses for each in read_log(whole)]


def test_what_was_trained_opens_as_an_engine(whole: Path, tmp_path: Path) -> None:
    TINY_RECIPE.export(whole, tmp_path)
    engine = opened(tmp_path)
    assert engine.card.threshold == 0.2
    values = engine.score(engine.encode_image(torch.randn(1, 3, 32, 32)), engine.encode_text(WORDS))
    assert values.values.shape == (1, len(WORDS), 16, 16)
    assert json.loads((tmp_path / "system.json").read_text())["parts"]["prototypes"]


def test_an_export_from_the_first_stage_has_no_prototypes(tmp_path: Path) -> None:
    first = replace(TINY_RECIPE, loop=replace(TINY_RECIPE.loop, steps=1))
    first.train(tmp_path / "run")
    first.export(tmp_path / "run", tmp_path / "weights")
    card = json.loads((tmp_path / "weights/system.json").read_text())
    assert not card["parts"]["prototypes"]
    opened(tmp_path / "weights")


def test_a_run_that_has_not_begun_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no checkpoint"):
        TINY_RECIPE.export(tmp_path, tmp_path / "weights")


def test_a_tower_stays_as_it_is_and_is_not_written_again(tmp_path: Path) -> None:
    run, folder = tmp_path / "run", tmp_path / "weights"
    ON_MINI.train(run)
    begun = ON_MINI.network().state_dict()
    ended = load_checkpoint(run)
    assert ended is not None
    stem = [name for name in begun if ".stem." in name or name.startswith("text.")]
    assert stem
    assert all(torch.equal(ended.module[name], begun[name]) for name in stem)
    name = "image.stages.0.grouping.look.queries.weight"
    assert not torch.equal(ended.module[name], begun[name])
    ON_MINI.export(run, folder)
    assert not set(stem) & load_file(folder / "model.safetensors").keys()
    engine = opened(folder)
    assert "nucleus" in engine.card.known_words
    assert engine.encode_text(WORDS).embeddings.shape == (5, 128)


def test_weights_on_a_tower_that_has_changed_are_refused(tmp_path: Path) -> None:
    run, folder = tmp_path / "run", tmp_path / "weights"
    replace(ON_MINI, loop=replace(ON_MINI.loop, steps=1)).train(run)
    ON_MINI.export(run, folder)
    card = json.loads((folder / "system.json").read_text())
    card["tower_digest"] = "0" * 64
    (folder / "system.json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="trained on the tower mini"):
        opened(folder)


@pytest.mark.parametrize(
    "change", [{"width": 96}, {"stem": 7}, {"stem": 0}, {"text_layers": 4}, {"hidden": 128}]
)
def test_a_tower_that_does_not_fit_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(WeightsError, match="mini"):
        replace(ON_MINI, sizes=replace(ON_MINI.sizes, **change)).network()


def test_pairs_from_files_can_be_learnt_from(tmp_path: Path) -> None:
    table = write_table(tmp_path, 12)
    pictures = PairPictures(pictures=4, pool=4, pairs=str(table))
    replace(TINY_RECIPE, pictures=pictures).train(tmp_path / "run")
    assert len(read_log(tmp_path / "run")) == STEPS


def test_a_caption_without_words_is_refused(tmp_path: Path) -> None:
    source = batches(PairPictures(pictures=4, pool=4), tokens=2)  # marks alone
    with pytest.raises(FormatError, match="no words that fit 2 tokens"):
        source.batch(0)


def test_the_end_of_a_long_caption_is_left_out() -> None:
    numbers = batches(PairPictures(pictures=4, pool=8), tokens=5).batch(0).captions
    assert numbers.shape == (4, 5)
    assert bool((numbers.argmax(dim=1) >= 2).all())  # the end mark is the highest number


def test_a_batch_is_the_same_by_its_number() -> None:
    first, again = (batches(PairPictures(pictures=4, pool=8)) for _ in range(2))
    again.batch(0)
    assert torch.equal(first.batch(7).pictures, again.batch(7).pictures)
    assert first.batch(7).known_by == again.batch(7).known_by
    assert not torch.equal(first.batch(7).pictures, first.batch(8).pictures)


def test_a_number_that_is_none_stops_the_training_and_names_its_batch(tmp_path: Path) -> None:
    network = TINY_RECIPE.network()
    with torch.no_grad():
        network.log_scale.fill_(torch.nan)
    training = PgsegTraining(network, TINY_RECIPE.stages)
    source = batches(TINY_RECIPE.pictures)
    with pytest.raises(RunError, match="loss is nan"):
        train(training, source, TINY_RECIPE.loop, tmp_path)
    assert json.loads((tmp_path / FAILED_BATCHES_FILE).read_text())["step"] == 0


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"pictures": {"pictures": 1}}, "2 or more"),
        ({"pictures": {"pool": 3}}, "at least the 128 pictures"),
        ({"stages": {"words": -1}}, "not be negative"),
        ({"stages": {"threshold": 1}}, "up to, not with, 1"),
        ({"system": "sseg"}, "pgseg"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(table: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        read_options(PgsegRecipe, table)


def batches(pictures: PairPictures, tokens: int = 24) -> PairBatches:
    return PairBatches(pictures, Reading(32, published_merges(), tokens), 3, 2)


@pytest.mark.slow
def test_two_processes_tell_each_picture_from_those_of_both(tmp_path: Path) -> None:
    ended = run_two("two_processes_gathering", str(tmp_path), seconds=200)
    assert ended.returncode == 0, ended.stderr
    alone = ROWS.clone().requires_grad_()
    loss = whole_loss(alone)
    loss.backward()  # type: ignore[no-untyped-call]
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    assert alone.grad is not None
    assert all(float(each["loss"]) == pytest.approx(float(loss.detach())) for each in found)
    # The loop takes the mean over processes, in which each row's own gradient is one of two.
    together = torch.cat([each["gradient"] for each in found]) / 2
    torch.testing.assert_close(together, alone.grad)


def test_the_bundled_weights_know_more_than_chance() -> None:
    loaded = load_trained(find_system("pgseg", "mini"))
    training = PgsegTraining(loaded.network.eval(), Stages())
    training.prototypes = loaded.parts.prototypes
    sizes = loaded.parts.sizes
    reading = Reading(sizes.image, loaded.merges, sizes.text_tokens)
    # Weights that were never taught reach 0.03 to 0.06; these reached 0.29 over sixty scenes.
    assert mean_iou(training, reading, ProbedScenes(count=24)) > 0.15
