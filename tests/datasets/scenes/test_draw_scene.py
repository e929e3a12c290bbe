from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg_annotate.datasets.scenes import (
    Scene,
    SceneRules,
    SceneStyle,
    draw_scene,
    is_unseen,
    matches,
    name_of,
    semantic_map,
)
from ovseg_annotate.datasets.scenes.words import GROUNDS, OBJECT, WORDS
from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size

any_seed = st.integers(0, 2**32 - 1)
any_style = st.sampled_from(SceneStyle)
any_size = st.builds(Size, st.integers(32, 150), st.integers(32, 150))
any_rules = st.builds(
    SceneRules,
    style=any_style,
    size=any_size,
    pairs=st.sampled_from(["seen", "unseen", "any"]),
    object_scale=st.sampled_from([0.5, 1.0, 2.0]),
)


def objects_of(scene: Scene) -> list[tuple[str, str]]:
    return [
        (region.attributes.colour or "", region.attributes.shape)
        for region in scene.regions
        if region.attributes.shape is not None
    ]


@settings(max_examples=40, deadline=None)
@given(rules=any_rules, seed=any_seed)
def test_every_pixel_belongs_to_a_region_and_every_region_has_pixels(
    rules: SceneRules, seed: int
) -> None:
    scene = draw_scene(rules, seed)
    shape = (rules.size.height, rules.size.width)
    assert scene.pixels.shape == (*shape, 3)
    assert scene.instances.shape == shape
    assert scene.pixels.dtype == np.uint8
    assert scene.instances.dtype == np.uint16
    labels = [region.label for region in scene.regions]
    assert labels == list(range(1, len(labels) + 1))
    assert np.unique(scene.instances).tolist() == labels


@settings(max_examples=20, deadline=None)
@given(rules=any_rules, seed=any_seed)
def test_the_same_rules_and_seed_give_the_same_scene(rules: SceneRules, seed: int) -> None:
    first, again = draw_scene(rules, seed), draw_scene(rules, seed)
    assert first.pixels.tobytes() == again.pixels.tobytes()
    assert first.instances.tobytes() == again.instances.tobytes()
    assert (first.regions, first.caption) == (again.regions, again.caption)


_DIGEST = """
import hashlib
from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene
digest = hashlib.sha256()
for style in SceneStyle:
    for seed in (0, 1, 2, 3, 184, 188, 264, 286):  # the last four: several dyes in one picture
        scene = draw_scene(SceneRules(style), seed)
        digest.update(scene.pixels.tobytes() + scene.instances.tobytes())
        digest.update(repr((scene.regions, scene.caption)).encode())
print(digest.hexdigest())
"""


def test_scenes_do_not_depend_on_the_order_of_python_sets() -> None:
    """Sets of texts are ordered by a hash that differs from one process to the next."""

    def digest(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", _DIGEST],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return run.stdout

    assert digest("2") == digest("3")  # these two order the names of things differently


def test_another_seed_gives_another_scene() -> None:
    pictures = {draw_scene(SceneRules(), seed).pixels.tobytes() for seed in range(20)}
    assert len(pictures) == 20


@settings(max_examples=40, deadline=None)
@given(rules=any_rules, seed=any_seed)
def test_only_the_asked_for_pairs_are_drawn(rules: SceneRules, seed: int) -> None:
    for colour, shape in objects_of(draw_scene(rules, seed)):
        assert rules.pairs == "any" or is_unseen(colour, shape) == (rules.pairs == "unseen")


@settings(max_examples=30, deadline=None)
@given(rules=any_rules, seed=any_seed)
def test_every_region_is_named_after_its_attributes(rules: SceneRules, seed: int) -> None:
    for region in draw_scene(rules, seed).regions:
        assert region.name == name_of(region.attributes)


@settings(max_examples=30, deadline=None)
@given(seed=any_seed)
def test_easy_objects_are_one_to_three_and_do_not_touch(seed: int) -> None:
    scene = draw_scene(SceneRules(SceneStyle.EASY), seed)
    assert 1 <= len(objects_of(scene)) <= 3
    grounds = sum(region.attributes.thing in GROUNDS for region in scene.regions)
    for first, second in (
        (scene.instances[1:], scene.instances[:-1]),
        (scene.instances[:, 1:], scene.instances[:, :-1]),
    ):
        both = (first > grounds) & (second > grounds)
        assert (first[both] == second[both]).all()


def test_distractors_share_the_colour_or_the_shape_of_the_first_object() -> None:
    rivals = 0
    for seed in range(40):
        first, *others = objects_of(draw_scene(SceneRules(SceneStyle.DISTRACTORS), seed))
        rivals += len(others)
        assert all((colour == first[0]) != (shape == first[1]) for colour, shape in others)
    assert rivals > 80


def test_a_crowd_touches() -> None:
    touching = 0
    for seed in range(20):
        scene = draw_scene(SceneRules(SceneStyle.CROWDED), seed)
        grounds = sum(region.attributes.thing in GROUNDS for region in scene.regions)
        left, right = scene.instances[:, 1:], scene.instances[:, :-1]
        touching += bool(((left != right) & (left > grounds) & (right > grounds)).any())
    assert touching >= 15


def test_every_word_occurs_in_the_mixed_style() -> None:
    met = {OBJECT.canonical}  # said of objects, never an attribute of one
    for seed in range(450):
        for region in draw_scene(SceneRules(pairs="any"), seed).regions:
            one = region.attributes
            met.update(word for word in (one.colour, one.shape, one.texture, one.thing) if word)
    assert met == {word.canonical for word in WORDS}


def test_grey_pictures_have_no_colour_and_only_neutral_words() -> None:
    for seed in range(20):
        scene = draw_scene(SceneRules(SceneStyle.EASY, grey_share=1.0), seed)
        spread = np.ptp(scene.pixels.astype(int), axis=2)
        # Only the sensor's noise may differ between the channels.
        assert np.median(spread) <= 30
        assert {colour for colour, _ in objects_of(scene)} <= {"black", "white", "gray"}


def test_a_large_picture_has_more_objects_of_the_same_size() -> None:
    def counts_and_areas(size: Size, scale: float) -> tuple[float, float]:
        counts, areas = [], []
        for seed in range(15):
            scene = draw_scene(SceneRules(SceneStyle.EASY, size, object_scale=scale), seed)
            objects = [r.label for r in scene.regions if r.attributes.shape is not None]
            counts.append(len(objects))
            areas += np.bincount(scene.instances.ravel())[objects].tolist()
        return float(np.mean(counts)), float(np.median(areas))

    small, large = counts_and_areas(Size(96, 96), 1.0), counts_and_areas(Size(224, 224), 1.0)
    magnified = counts_and_areas(Size(224, 224), 2.0)
    assert large[0] > 2.5 * small[0]
    assert 0.6 < large[1] / small[1] < 1.6
    assert magnified[0] < 2 * small[0]
    assert 2.5 < magnified[1] / small[1] < 6


def test_the_semantic_map_follows_the_order_of_the_concepts() -> None:
    scene = draw_scene(SceneRules(SceneStyle.EASY), 3)
    concepts = ["absent", *dict.fromkeys(region.name for region in scene.regions[::-1])]
    answer = semantic_map(scene, concepts)
    for region in scene.regions:
        assert (answer[scene.instances == region.label] == concepts.index(region.name) + 1).all()
    assert not semantic_map(scene, ["absent"]).any()


def test_each_region_matches_its_own_attributes() -> None:
    for seed in range(20):
        for region in draw_scene(SceneRules(), seed).regions:
            assert matches(region.attributes, region.attributes)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"size": Size(20, 96)}, "20"),
        ({"pairs": "all"}, "unseen"),
        ({"object_scale": 0.0}, "object_scale"),
        ({"easy_share": 1.2}, "easy_share"),
        ({"grey_share": -0.1}, "grey_share"),
    ],
)
def test_impossible_rules_are_refused_by_name(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(OptionError, match=named):
        SceneRules(**wrong)  # type: ignore[arg-type]


def test_a_semantic_map_refuses_more_concepts_than_it_can_hold() -> None:
    with pytest.raises(OptionError, match="255"):
        semantic_map(draw_scene(SceneRules(), 0), [str(number) for number in range(256)])
