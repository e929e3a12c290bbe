"""Learning in a folder under review: what is yellow is green, says the person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from review_samples import OneModel, squares

from napari_plugin.monitor import Monitor, Report
from napari_plugin.preferences import Preferences
from napari_plugin.review_learning import (
    Models,
    News,
    Ranked,
    learn,
    look,
    models_of,
    undo_learning,
)
from napari_plugin.review_list import Arrangement, Order
from napari_plugin.review_state import Review, open_review, usual_run_folder
from napari_plugin.review_suggesting import Suggested, SuggestRequest, suggest
from ovseg_annotate.errors import Cancelled, RunError
from ovseg_annotate.learning_loop.project import RUN_PROJECT
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.run_folder import PictureState
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("green; red; blue")
REQUEST = SuggestRequest(Preferences(model="vectors@here"), WORDS, 0, replace=False)


@pytest.fixture
def models() -> Models:
    return models_of(OneModel(), REQUEST.preferences)


@pytest.fixture
def review(tmp_path: Path, models: Models) -> Iterator[Review]:
    folder = tmp_path / "field"
    folder.mkdir()
    for number in range(4):
        PillowImage.fromarray(squares(2 * number)).save(folder / f"{number}.png")
    with open_review([folder], usual_run_folder([folder])) as review:
        list(suggest(review, REQUEST, models.opener, Monitor()))
        renew(review)
        yield review


def renew(review: Review) -> None:
    for position in range(len(review.items)):
        review.refresh(position)


def correct(review: Review, position: int, label: int = 1) -> None:
    """Every square of a picture is green."""
    picture = review.open(position)
    assert picture.labels is not None
    labels = picture.labels.copy()
    labels[picture.image.pixels[..., 0] == 255] = label
    review.save(picture, labels)
    review.refresh(position)


def labels_of(review: Review, position: int) -> NDArray[np.unsignedinteger]:
    labels = review.open(position).labels
    assert labels is not None
    return labels


def records(review: Review) -> dict[str, bytes]:
    folder = review.folder.path / "records"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def states(review: Review) -> list[PictureState]:
    renew(review)
    return [item.state for item in review.items]


def test_one_corrected_picture_makes_all_open_ones_better(review: Review, models: Models) -> None:
    correct(review, 0)
    answered = records(review)["0.png.json"]
    told = list(learn(review, REQUEST, models, Monitor()))
    assert isinstance(told[0], News)
    assert "better" in told[0].sentence
    assert sorted(each.result.picture.name for each in told[1:] if isinstance(each, Suggested)) == [
        "1.png", "2.png", "3.png",
    ]  # fmt: skip
    for position in (1, 2, 3):
        pixels = review.open(position).image.pixels
        assert np.mean(labels_of(review, position)[pixels[..., 0] == 255] == 1) > 0.8
    assert records(review)["0.png.json"] == answered
    assert states(review) == [PictureState.CORRECTED, *[PictureState.SUGGESTED] * 3]


class StoppedWhileLearning(Monitor):
    """Somebody presses Cancel when they are told that it learns."""

    def tell(self, report: Report) -> None:
        super().tell(report)
        if report.text == "learning from corrections":
            self.stop()


def test_learning_that_is_cancelled_leaves_the_version_in_service_and_every_suggestion(
    review: Review, models: Models
) -> None:
    correct(review, 0)
    before = records(review)
    with pytest.raises(Cancelled):
        list(learn(review, REQUEST, models, StoppedWhileLearning()))
    assert records(review) == before
    assert Versions(review.folder.path / RUN_PROJECT).names == ()
    assert "better" in str(next(iter(learn(review, REQUEST, models, Monitor()))))


def test_undo_brings_every_open_suggestion_back(review: Review, models: Models) -> None:
    correct(review, 0)
    before = records(review)
    list(learn(review, REQUEST, models, Monitor()))
    assert records(review) != before
    news, *_ = list(undo_learning(review, REQUEST, models, Monitor()))
    assert news == News("in service: the model as it came")
    assert records(review) == before


def test_a_correction_that_was_given_up_is_not_learnt_from(review: Review, models: Models) -> None:
    correct(review, 0)
    list(learn(review, REQUEST, models, Monitor()))
    review.restore(0)
    (news,) = learn(review, REQUEST, models, Monitor())
    assert "there are no corrections to learn from yet" in news.sentence


def test_learning_before_anything_was_suggested_says_what_to_do(
    tmp_path: Path, models: Models
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    PillowImage.fromarray(squares(0)).save(folder / "0.png")
    with (
        open_review([folder], usual_run_folder([folder])) as review,
        pytest.raises(RunError, match="press Suggest first"),
    ):
        list(learn(review, REQUEST, models, Monitor()))


def test_the_most_useful_open_picture_comes_first_with_a_reason(
    review: Review, models: Models
) -> None:
    correct(review, 2)
    (ranked,) = look(review, REQUEST, models, Monitor())
    assert isinstance(ranked, Ranked)
    assert sorted(choice.picture for choice in ranked.choices) == ["0.png", "1.png", "3.png"]
    review.rank(ranked.choices)
    arranged = review.arranged(Arrangement(order=Order.USEFUL))
    assert review.items[arranged[0]].picture.name == ranked.choices[0].picture
    assert review.items[arranged[0]].reason
    assert arranged[-1] == 2  # somebody answered it


def test_looking_can_be_stopped_and_goes_on_where_it_was(review: Review, models: Models) -> None:
    stopped = Monitor()
    stopped.stop()
    assert list(look(review, REQUEST, models, stopped)) == []
    assert len(list(look(review, REQUEST, models, Monitor()))) == 1
