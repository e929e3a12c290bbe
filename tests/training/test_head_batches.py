from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from public_trees import coco_stuff, voc

from ovseg_annotate.datasets.scenes.pairs import is_unseen
from ovseg_annotate.datasets.scenes.words import COLOURS, SHAPES
from ovseg_annotate.errors import OptionError
from ovseg_annotate.geometry import Size
from ovseg_annotate.training.head_batches import HeadPictures, SceneWindows
from ovseg_annotate.training.labelled_batches import LabelledPictures, LabelledWindows

FEW = HeadPictures(windows=6, windows_of_a_scene=2, fewest_phrases=5, most_phrases=9)
WINDOW = Size(48, 48)


def test_a_batch_follows_from_its_seed_and_number() -> None:
    first, again = (SceneWindows(FEW, WINDOW, 3).batch(7) for _ in range(2))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert first.phrases == again.phrases
    assert not torch.equal(first.images, SceneWindows(FEW, WINDOW, 4).batch(7).images)


def test_every_window_is_asked_as_many_phrases_and_each_once() -> None:
    for number in range(10):
        batch = SceneWindows(FEW, WINDOW, 0).batch(number)
        assert batch.images.shape == (6, 3, 48, 48)
        assert batch.images.dtype == torch.uint8
        counts = {len(own) for own in batch.phrases}
        assert len(counts) == 1
        assert 5 <= counts.pop() <= 9
        assert all(len(set(own)) == len(own) for own in batch.phrases)


def test_most_pixels_are_labelled_and_labels_have_phrases() -> None:
    batch = SceneWindows(FEW, WINDOW, 0).batch(1)
    assert (batch.labels > 0).float().mean() > 0.9
    assert int(batch.labels.max()) <= len(batch.phrases[0])


def test_the_true_phrases_do_not_stand_first() -> None:
    batches = [SceneWindows(FEW, WINDOW, 0).batch(number) for number in range(8)]
    places = torch.cat([batch.labels.flatten(1).amax(dim=1) for batch in batches])
    assert len(places.unique()) > 3


def test_pairs_that_are_kept_for_the_evaluation_are_never_heard_of() -> None:
    said = {word: known.canonical for known in (*COLOURS, *SHAPES) for word in (known.canonical,)}
    colours, shapes = ({word.canonical for word in words} for words in (COLOURS, SHAPES))
    phrases = itertools.chain.from_iterable(
        own for number in range(30) for own in SceneWindows(FEW, WINDOW, 0).batch(number).phrases
    )
    pairs = [
        tuple(said[word] for word in phrase.split() if word in said)
        for phrase in phrases
        if len(phrase.split()) == 2
    ]
    known = [pair for pair in pairs if len(pair) == 2 and pair[0] in colours and pair[1] in shapes]
    assert len(known) > 50
    assert not any(is_unseen(colour, shape) for colour, shape in known)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"fewest_phrases": 1}, "phrases: got 1 to 9"),
        ({"windows": 5}, "windows: got 5; allowed: a multiple of 2"),
        ({"smallest_magnification": 3.0}, "magnification: got 3 to 1.9"),
    ],
)
def test_options_out_of_range_are_named(changes: dict[str, int], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        replace(FEW, **changes)


def stuff(tmp_path: Path, **changes: object) -> LabelledWindows:
    folder = coco_stuff(tmp_path / "coco", "train2017")
    options = replace(LabelledPictures("coco-stuff", str(folder), windows=3), **changes)
    return LabelledWindows(options, WINDOW, seed=0)


def test_photographs_are_asked_with_all_names_of_their_set(tmp_path: Path) -> None:
    batch = stuff(tmp_path).batch(0)
    assert batch.phrases == (("person", "sky", "wall brick"),) * 3
    assert batch.images.shape == (3, 3, 48, 48)
    assert set(batch.labels.unique().tolist()) <= {0, 1, 2, 3}  # void is unlabelled


def test_labels_stay_on_their_pixels_whatever_is_done_to_a_picture(tmp_path: Path) -> None:
    batch = stuff(tmp_path, windows=8).batch(0)
    for labels in batch.labels:
        rows = [set(row.tolist()) for row in labels]
        assert rows[0] <= {1}  # stripes of the tree: person above, then the wall, then sky and void
        assert rows[24] <= {3}
        assert rows[-1] <= {0, 2}


def test_every_picture_comes_once_before_one_comes_again(tmp_path: Path) -> None:
    source = stuff(tmp_path, windows=1)
    drawn = [source.seeds(number)[0] for number in range(6)]
    assert [sorted(pair) for pair in zip(drawn[::2], drawn[1::2], strict=True)] == [[0, 1]] * 3


def test_a_batch_of_photographs_follows_from_its_number(tmp_path: Path) -> None:
    first, again = (stuff(tmp_path).batch(4) for _ in range(2))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)


def test_a_recipe_without_the_folder_says_how_to_name_it() -> None:
    with pytest.raises(OptionError, match="ovseg train RECIPE --data FOLDER"):
        LabelledWindows(LabelledPictures("coco-stuff"), WINDOW, 0)


def test_a_data_set_with_one_name_is_told_with_its_folder(tmp_path: Path) -> None:
    folder = coco_stuff(tmp_path / "coco", "train2017")
    (folder / "labels.txt").write_text("1: person\n")
    options = LabelledPictures("coco-stuff", str(folder))
    with pytest.raises(OptionError, match=f"{re.escape(str(folder))} has 1 names"):
        LabelledWindows(options, WINDOW, 0)


def test_data_that_nobody_learns_from_is_refused_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"training split of 'voc' is not read.*coco-stuff"):
        LabelledWindows(LabelledPictures("voc", str(voc(tmp_path))), WINDOW, 0)
    with pytest.raises(OptionError, match=r"unknown data 'cocostuff'.*coco-stuff"):
        LabelledWindows(LabelledPictures("cocostuff", str(tmp_path)), WINDOW, 0)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"windows": 0}, "windows: got 0"),
        ({"colours": 1.0}, "colours: got 1"),
        ({"hue": -1.0}, "hue"),
    ],
)
def test_what_is_done_to_photographs_is_checked(changes: dict[str, float], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        replace(LabelledPictures("coco-stuff"), **changes)
