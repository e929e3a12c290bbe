from __future__ import annotations

from typing import cast

import pytest
import torch
from backbones.tiny_towers import SHARED, TRANSFORMERS, WIDTH, images
from torch import Tensor

from ovseg_annotate.backbones.taps import CellPath, tapped_features, usual_taps
from ovseg_annotate.backbones.tower import VisionTower
from ovseg_annotate.backbones.weights import load_clip
from ovseg_annotate.errors import ModelError

WITH_CLASS_TOKEN = [name for name in TRANSFORMERS if name != "siglip"]
LASTS: tuple[CellPath, ...] = ("whole", "values", "values_on_class")


def outputs(tower: VisionTower, pictures: Tensor) -> list[Tensor]:
    """Of every block, tokens with their prefix."""
    tokens, grid = tower.embed(pictures)
    found = []
    for block in tower.blocks_on(grid):
        tokens = block(tokens)
        found.append(tokens)
    return found


@pytest.mark.parametrize("name", WITH_CLASS_TOKEN)
@pytest.mark.parametrize("last", LASTS)
def test_the_whole_window_is_embedded_as_the_tower_was_trained(name: str, last: CellPath) -> None:
    tower = TRANSFORMERS[name]().vision
    pictures = images(2, 24, 40)
    expected = tower.project(outputs(tower, pictures)[-1])[:, 0]
    whole = tapped_features(tower, pictures, (), last).whole
    torch.testing.assert_close(whole, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", WITH_CLASS_TOKEN)
def test_taps_are_the_outputs_of_their_blocks_in_the_order_asked(name: str) -> None:
    tower = TRANSFORMERS[name]().vision
    pictures = images(2, 24, 40)
    every = outputs(tower, pictures)
    taps = tapped_features(tower, pictures, (1, 0), "values").taps
    assert taps.shape == (2, 2, WIDTH, 3, 5)
    for tap, block in enumerate((1, 0)):
        torch.testing.assert_close(taps[:, tap].flatten(2).mT, every[block][:, 1:])


@pytest.mark.parametrize("name", WITH_CLASS_TOKEN)
def test_untouched_cells_are_those_of_the_tower(name: str) -> None:
    tower = TRANSFORMERS[name]().vision
    pictures = images(2, 24, 40)
    expected = tower.project(outputs(tower, pictures)[-1])[:, 1:]
    cells = tapped_features(tower, pictures, (), "whole").cells
    assert cells.shape == (2, SHARED, 3, 5)
    torch.testing.assert_close(cells.flatten(2).mT, expected)


def test_the_three_last_blocks_differ_in_cells_only() -> None:
    tower = TRANSFORMERS["plain"]().vision
    seen = [tapped_features(tower, images(1, 32, 32), (0, 1), last) for last in LASTS]
    for first, second in ((0, 1), (1, 2), (0, 2)):
        assert (seen[first].cells - seen[second].cells).abs().max() > 1e-2
        torch.testing.assert_close(seen[first].taps, seen[second].taps)


def test_values_do_not_depend_on_other_cells_in_the_last_block() -> None:
    tower = TRANSFORMERS["plain"]().vision
    tokens, grid = tower.embed(images(1, 16, 16))
    for block in tower.blocks_on(grid)[:-1]:
        tokens = block(tokens)
    final = tower.blocks_on(grid)[-1]
    (alone,) = final.heads(tokens[:, 3:4], "v")
    expected = tower.project(final.finish(tokens[:, 3:4], final.merge(alone)))[0, 0]
    cells = tapped_features(tower, images(1, 16, 16), (), "values").cells
    torch.testing.assert_close(cells.flatten(2)[0, :, 2], expected, atol=1e-5, rtol=1e-4)


def test_without_taps_there_is_nothing_to_read() -> None:
    tower = TRANSFORMERS["plain"]().vision
    assert tapped_features(tower, images(2, 16, 16), (), "values").taps.shape[:2] == (2, 0)


def test_a_batch_equals_one_by_one() -> None:
    tower = TRANSFORMERS["eva02"]().vision
    pictures = images(3, 24, 16)
    together = tapped_features(tower, pictures, (0, 1), "values_on_class")
    for number, picture in enumerate(pictures):
        alone = tapped_features(tower, picture[None], (0, 1), "values_on_class")
        torch.testing.assert_close(together.cells[number], alone.cells[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(together.taps[number], alone.taps[0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("blocks", "expected"), [(12, (3, 7)), (24, (7, 15)), (6, (1, 3)), (3, (0, 1))]
)
def test_usual_taps_end_the_first_two_thirds(blocks: int, expected: tuple[int, int]) -> None:
    assert usual_taps(blocks) == expected


def test_two_blocks_are_too_few_for_taps() -> None:
    with pytest.raises(ModelError, match="3 blocks or more, got 2"):
        usual_taps(2)


def test_a_tower_without_class_token_is_refused() -> None:
    with pytest.raises(ModelError, match="no class token"):
        tapped_features(TRANSFORMERS["siglip"]().vision, images(1, 16, 16), (), "whole")


@pytest.mark.parametrize("taps", [(2,), (-1,), (0, 7)])
def test_a_tap_that_is_not_before_the_last_block_is_refused(taps: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="allowed: 0 to 1"):
        tapped_features(TRANSFORMERS["plain"]().vision, images(1, 16, 16), taps, "whole")


def test_the_bundled_tower_can_be_tapped() -> None:
    clip = load_clip("mini", offline=True)
    tower = cast(VisionTower, clip.vision)
    taps = usual_taps(len(tower.blocks))
    seen = tapped_features(tower, images(1, 96, 96), taps, "values")
    assert seen.cells.shape == (1, 128, 12, 12)
    assert seen.taps.shape == (1, 2, 192, 12, 12)
