from __future__ import annotations

import hashlib

import pytest

from ovseg_annotate.datasets.scenes import HeldOut, held_out_rules, held_out_scene, is_unseen
from ovseg_annotate.datasets.scenes.held_out import SCENES_IN_A_SET
from ovseg_annotate.errors import OptionError

# Of the names in the first five scenes of each set. A change here makes every published
# figure meaningless: the sets are fixed for good.
FIRST_NAMES = {
    HeldOut.EASY: "8f505d63fa27",
    HeldOut.DISTRACTORS: "6685024a2a66",
    HeldOut.CROWDED: "9d4dd6d1fb3f",
    HeldOut.MICROSCOPY: "34d2587c561e",
    HeldOut.LARGE: "db99bf112810",
    HeldOut.LARGE_TWICE: "e17e44f9f37f",
}


def first_names(which: HeldOut) -> str:
    scenes = [held_out_scene(which, "unseen", index) for index in range(5)]
    names = ";".join(",".join(region.name for region in scene.regions) for scene in scenes)
    return hashlib.sha256(names.encode()).hexdigest()[:12]


@pytest.mark.parametrize("which", HeldOut)
def test_a_held_out_set_never_changes(which: HeldOut) -> None:
    assert first_names(which) == FIRST_NAMES[which]


@pytest.mark.parametrize("which", HeldOut)
def test_unseen_sets_show_only_unseen_pairs(which: HeldOut) -> None:
    assert held_out_rules(which, "unseen").pairs == "unseen"
    for index in range(5):
        for region in held_out_scene(which, "unseen", index).regions:
            colour, shape = region.attributes.colour, region.attributes.shape
            if colour is not None and shape is not None:
                assert is_unseen(colour, shape)


def test_no_two_sets_share_a_seed() -> None:
    pictures = {held_out_scene(which, "any", 0).pixels.tobytes() for which in HeldOut}
    assert len(pictures) == len(HeldOut)
    assert len(HeldOut) * SCENES_IN_A_SET <= 1_000_000


@pytest.mark.parametrize("index", [-1, SCENES_IN_A_SET])
def test_a_scene_that_is_not_in_the_set_is_refused(index: int) -> None:
    with pytest.raises(OptionError, match="0 to 9999"):
        held_out_scene(HeldOut.EASY, "any", index)
