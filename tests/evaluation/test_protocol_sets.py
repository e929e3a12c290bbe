from __future__ import annotations

from pathlib import Path

import numpy as np
import public_trees as trees
import pytest

from ovseg_annotate.datasets.catalogue import PUBLIC_DATA
from ovseg_annotate.errors import VocabularyError
from ovseg_annotate.evaluation.held_out import Asking
from ovseg_annotate.evaluation.protocol_sets import protocol_trials
from ovseg_annotate.evaluation.trials import Trial
from ovseg_annotate.vocabulary import Vocabulary

FEW = Asking(count=2)


def trials(
    protocol: str, root: Path, asking: Asking = FEW, words: Vocabulary | None = None
) -> list[Trial]:
    labelled = PUBLIC_DATA["voc"].open(trees.voc(root), protocol)
    return list(protocol_trials(labelled, asking, words).draw())


def names_of(trial: Trial) -> np.ndarray:
    names = np.array(["", *trial.vocabulary.names, "ignored"])
    return names[trial.truth]


@pytest.mark.parametrize("protocol", ["pas20", "pas20b", "voc21"])
def test_every_picture_shuffles_its_words_and_the_truth_follows(
    protocol: str, tmp_path: Path
) -> None:
    one, two = trials(protocol, tmp_path)
    assert one.vocabulary.names != two.vocabulary.names
    assert set(one.vocabulary.names) == set(two.vocabulary.names)
    assert (names_of(one) == names_of(two)).all()
    assert names_of(one)[0, 0] == "cat"
    assert one.truth[0, 20] == one.ignore


def test_the_same_seed_asks_the_same_and_another_asks_otherwise(tmp_path: Path) -> None:
    first, again = (trials("pas20", tmp_path / name)[0].vocabulary for name in ("a", "b"))
    other = trials("pas20", tmp_path / "c", Asking(count=1, seed=1))[0].vocabulary
    assert first == again
    assert first != other


def test_background_is_counted_last_and_not_asked_for(tmp_path: Path) -> None:
    for trial in trials("voc21", tmp_path):
        assert trial.asked is not None
        assert trial.vocabulary.names[-1] == "background"
        assert trial.background == 21
        assert trial.asked.names == trial.vocabulary.names[:-1]
        assert 21 not in trial.absent


def test_competing_words_come_behind_the_concepts(tmp_path: Path) -> None:
    trial = trials("pas20b", tmp_path)[0]
    assert trial.asked is not None
    assert len(trial.asked) == 20 + 39
    assert trial.asked.labels == tuple(range(1, 21))


def test_a_background_that_does_not_count_has_no_label(tmp_path: Path) -> None:
    trial = trials("pas20", tmp_path)[0]
    assert trial.background is None
    assert len(trial.vocabulary) == 20
    assert trial.asked == trial.vocabulary
    assert {names_of(trial)[31, 0], names_of(trial)[0, 20]} == {"ignored"}


def test_words_say_how_to_ask(tmp_path: Path) -> None:
    trial = trials("pas20b", tmp_path, words=Vocabulary.parse("cat: kitten; -haze"))[0]
    assert trial.asked is not None
    phrases = {each.name: each.phrases for each in trial.asked}
    assert phrases["cat"] == ("kitten",)
    assert phrases["dog"] == ("dog",)
    assert "haze" in phrases
    with pytest.raises(VocabularyError, match="no 'tree'"):
        trials("pas20", tmp_path / "again", words=Vocabulary.parse("tree"))


def test_no_more_pictures_are_read_than_are_asked_for(tmp_path: Path) -> None:
    tree = trees.voc(tmp_path)
    (tree / "JPEGImages/2008_000002.jpg").unlink()
    found = protocol_trials(PUBLIC_DATA["voc"].open(tree), Asking(count=1))
    assert found.count == len(list(found.draw())) == 1


def test_instances_and_crowds_travel_with_the_trial(tmp_path: Path) -> None:
    labelled = PUBLIC_DATA["coco"].open(trees.coco(tmp_path))
    trial = next(protocol_trials(labelled, FEW).draw())
    assert trial.instances is not None
    assert {each.concept for each in trial.instances} < set(trial.vocabulary.names)
    assert len(trial.crowds) == 1
