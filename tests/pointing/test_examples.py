from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_engine import FakeEngine
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from PIL import Image as Pillow
from vector_engine import CPU, VectorEngine, vector_session

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.engine import Pointable
from ovseg_annotate.errors import MarkError, ModelError, VocabularyError
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.image import Image, from_array
from ovseg_annotate.pointing.examples import VisualExamples
from ovseg_annotate.pointing.marks import AreaMark, BoxMark, Mark, PointMark
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.session import Session, open_session
from ovseg_annotate.vocabulary import Vocabulary

PLAIN = AnnotateOptions(contrast="none", refine=RefineOptions(method="none"))
ORANGE = (255, 128, 0)
WORDS = Vocabulary.parse("red; green; blue")


def painted(*spots: tuple[tuple[int, int, int], slice, slice], ground: int = 40) -> Image:
    pixels = np.full((96, 128, 3), ground, np.uint8)
    for colour, rows, columns in spots:
        pixels[rows, columns] = colour
    return from_array(pixels)


LEFT, RIGHT = (slice(24, 64), slice(16, 56)), (slice(24, 64), slice(72, 112))
TWO_ORANGES = painted((ORANGE, *LEFT), (ORANGE, *RIGHT))


def labelled(session: Session, image: Image, words: str, examples: VisualExamples | None) -> object:
    annotation = session.annotate(image, Vocabulary.parse(words), PLAIN, examples=examples)
    return annotation.label_map.labels


def share(labels: object, label: int, place: tuple[slice, slice]) -> float:
    assert isinstance(labels, np.ndarray)
    return float((labels[place] == label).mean())


def stroke(place: tuple[slice, slice], shape: tuple[int, int] = (96, 128)) -> NDArray[np.bool_]:
    mask = np.zeros(shape, bool)
    middle = (place[0].start + place[0].stop) // 2
    mask[middle - 2 : middle + 2, place[1].start + 4 : place[1].stop - 4] = True
    return mask


@pytest.mark.parametrize(
    "mark",
    [
        PointMark("fruit", 36, 44),
        BoxMark("fruit", 14, 22, 58, 66),
        AreaMark("fruit", stroke(LEFT)),
    ],
)
def test_a_word_that_says_nothing_is_learnt_from_one_mark(mark: Mark) -> None:
    session = vector_session()
    words = "fruit; -black"
    assert share(labelled(session, TWO_ORANGES, words, None), 1, RIGHT) == 0
    labels = labelled(session, TWO_ORANGES, words, session.examples(TWO_ORANGES, [mark]))
    assert share(labels, 1, (slice(28, 60), slice(76, 108))) == 1
    assert share(labels, 1, (slice(0, 20), slice(0, 128))) == 0


def test_what_was_learnt_from_one_picture_is_found_in_another() -> None:
    session = vector_session()
    examples = session.examples(TWO_ORANGES, [PointMark("fruit", 36, 44)])
    other = painted((ORANGE, slice(48, 88), slice(60, 100)), ground=60)
    labels = labelled(session, other, "fruit; -black", examples)
    assert share(labels, 1, (slice(52, 84), slice(64, 96))) == 1
    assert share(labels, 1, (slice(0, 40), slice(0, 50))) == 0


def test_an_example_wins_where_the_words_say_otherwise() -> None:
    session = vector_session()
    assert share(labelled(session, TWO_ORANGES, "red; green", None), 2, RIGHT) < 0.1
    examples = session.examples(TWO_ORANGES, [AreaMark("green", stroke(LEFT))])
    labels = labelled(session, TWO_ORANGES, "red; green", examples)
    assert share(labels, 2, (slice(28, 60), slice(76, 108))) == 1


def test_what_is_marked_as_not_a_concept_loses_it() -> None:
    session = vector_session()
    image = painted((ORANGE, *LEFT), ((255, 0, 0), *RIGHT))
    words = "red; -green"
    assert share(labelled(session, image, words, None), 1, LEFT) > 0.9
    marks = [PointMark("red", 36, 44, positive=False), PointMark("red", 92, 44)]
    labels = labelled(session, image, words, session.examples(image, marks))
    assert share(labels, 1, (slice(28, 60), slice(20, 52))) == 0
    assert share(labels, 1, (slice(28, 60), slice(76, 108))) == 1


def test_no_examples_are_the_words_alone_to_the_byte() -> None:
    session = vector_session()
    alone = session.annotate(TWO_ORANGES, WORDS, PLAIN)
    none = session.examples(TWO_ORANGES, [PointMark("red", 36, 44)]).only([])
    assert len(none) == 0
    same = session.annotate(TWO_ORANGES, WORDS, PLAIN, examples=none)
    assert alone.label_map.confidence.tobytes() == same.label_map.confidence.tobytes()
    assert alone.provenance == same.provenance


def test_cells_unlike_any_example_keep_what_the_words_say() -> None:
    session = vector_session()
    image = painted((ORANGE, *LEFT), ((0, 0, 255), *RIGHT), ground=0)
    examples = session.examples(image, [AreaMark("green", stroke(LEFT))])
    alone = session.annotate(image, WORDS, PLAIN).label_map
    taught = session.annotate(image, WORDS, PLAIN, examples=examples).label_map
    inside = (slice(32, 56), slice(80, 104))
    assert_array_equal(alone.labels[inside], taught.labels[inside])
    assert_allclose(alone.confidence[inside], taught.confidence[inside], atol=2e-3)


def test_examples_that_change_nothing_that_words_do_not_say_add_nothing() -> None:
    """Where the words already win by more than the weight, an example has no strength."""
    session = vector_session()
    image = painted(((255, 0, 0), *LEFT))
    examples = session.examples(image, [AreaMark("red", stroke(LEFT))])
    alone = session.annotate(image, WORDS, PLAIN).label_map
    taught = session.annotate(image, WORDS, PLAIN, examples=examples).label_map
    assert_array_equal(alone.confidence, taught.confidence)


@pytest.mark.parametrize("weight", [0.55, 0.8, 0.95])
def test_the_weight_is_the_confidence_of_a_cell_like_the_example(weight: float) -> None:
    session = vector_session()
    examples = session.examples(TWO_ORANGES, [AreaMark("green", stroke(LEFT))])
    words = Vocabulary.parse("green; red")
    annotation = session.annotate(
        TWO_ORANGES, words, PLAIN, examples=replace(examples, weight=weight)
    )
    assert_allclose(annotation.label_map.confidence[44, 36], weight, atol=0.02)


def test_contradicting_examples_do_not_grow_without_end() -> None:
    session = vector_session()
    marks = [PointMark("green", 36, 44), PointMark("blue", 92, 44)]
    annotation = session.annotate(
        TWO_ORANGES, WORDS, PLAIN, examples=session.examples(TWO_ORANGES, marks)
    )
    confidence = annotation.label_map.confidence[44, 36]
    assert 0.4 < confidence < 0.9
    assert annotation.label_map.labels[44, 36] in (2, 3)


def test_merged_examples_are_those_of_all_marks_at_once() -> None:
    session = vector_session()
    marks = [PointMark("red", 36, 44), PointMark("green", 5, 5)]
    apart = session.examples(TWO_ORANGES, marks[:1]) + session.examples(TWO_ORANGES, marks[1:])
    together = session.examples(TWO_ORANGES, marks)
    assert apart.concepts == together.concepts
    for name in ("prototypes", "directions", "unlike"):
        assert_allclose(getattr(apart, name), getattr(together, name), rtol=1e-4, atol=1e-6)
    assert apart.only(["RED"]).concepts == ("red",)


def test_examples_travel_and_are_small() -> None:
    examples = vector_session().examples(TWO_ORANGES, [PointMark("red", 36, 44)])
    content = pickle.dumps(examples)
    assert len(content) < 2000
    assert pickle.loads(content).digest == examples.digest  # noqa: S301  our own bytes


def test_examples_are_part_of_provenance() -> None:
    session = vector_session()
    examples = session.examples(TWO_ORANGES, [PointMark("red", 36, 44)])
    alone = session.annotate(TWO_ORANGES, WORDS, PLAIN).provenance
    taught = session.annotate(TWO_ORANGES, WORDS, PLAIN, examples=examples).provenance
    assert taught.options == f"{alone.options} examples={examples.digest}"
    assert taught.digest != alone.digest


def test_pointing_runs_on_kept_features() -> None:
    session = vector_session()
    engine = session.engine
    assert isinstance(engine, VectorEngine)
    session.annotate(TWO_ORANGES, WORDS, PLAIN)
    encoded = engine.encoded_windows
    examples = session.examples(TWO_ORANGES, [PointMark("red", 36, 44)])
    session.annotate(TWO_ORANGES, WORDS, PLAIN, examples=examples)
    session.pick(TWO_ORANGES, [PointMark("red", 36, 44)], vocabulary=WORDS)
    session.pick(TWO_ORANGES, [BoxMark("red", 14, 22, 58, 66)])
    assert engine.encoded_windows == encoded > 0


def test_many_pictures_take_examples_as_one_does(tmp_path: Path) -> None:
    Pillow.fromarray(TWO_ORANGES.pixels).save(tmp_path / "a.png")
    session = vector_session()
    examples = session.examples(TWO_ORANGES, [AreaMark("green", stroke(LEFT))])
    one = session.annotate(TWO_ORANGES, WORDS, PLAIN, examples=examples)
    (many,) = session.annotate_many([tmp_path / "a.png"], WORDS, PLAIN, examples=examples)
    assert many.annotation is not None
    assert_array_equal(one.label_map.labels, many.annotation.label_map.labels)


def test_threads_may_point_and_annotate_at_once() -> None:
    session = vector_session()
    images = [painted((ORANGE, *LEFT), ground=ground) for ground in range(0, 40, 10)]

    def work(image: Image) -> tuple[bytes, bytes]:
        examples = session.examples(image, [AreaMark("green", stroke(LEFT))])
        label_map = session.annotate(image, WORDS, PLAIN, examples=examples).label_map
        picked = session.pick(image, [PointMark("green", 36, 44)])
        return label_map.labels.tobytes(), picked.mask.tobytes()

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, images))
    assert together == [work(image) for image in images]


def test_examples_of_another_model_are_refused_by_name() -> None:
    examples = vector_session().examples(TWO_ORANGES, [PointMark("red", 36, 44)])
    stranger = replace(examples, engine="naclip@other 1")
    with pytest.raises(MarkError, match=r"made with naclip@other 1 do not fit vectors"):
        vector_session().annotate(TWO_ORANGES, WORDS, PLAIN, examples=stranger)
    with pytest.raises(MarkError, match="do not fit"):
        _ = examples + stranger


def test_examples_of_a_concept_that_is_not_asked_for_are_refused() -> None:
    session = vector_session()
    examples = session.examples(TWO_ORANGES, [PointMark("pear", 36, 44)])
    with pytest.raises(VocabularyError, match=r"'pear' is marked and not among the words"):
        session.annotate(TWO_ORANGES, WORDS, PLAIN, examples=examples)


def test_a_negative_mark_needs_something_else_to_be() -> None:
    session = vector_session()
    examples = session.examples(TWO_ORANGES, [PointMark("red", 36, 44, positive=False)])
    with pytest.raises(MarkError, match="needs something else"):
        session.annotate(TWO_ORANGES, Vocabulary.parse("red"), PLAIN, examples=examples)


def test_a_picture_that_is_everywhere_the_same_teaches_nothing() -> None:
    with pytest.raises(MarkError, match="looks like everything else"):
        vector_session().examples(painted(), [PointMark("red", 36, 44)])


@pytest.mark.parametrize("weight", [0.0, 0.49, 1.0, 2.0])
def test_a_weight_out_of_range_is_refused(weight: float) -> None:
    examples = vector_session().examples(TWO_ORANGES, [PointMark("red", 36, 44)])
    with pytest.raises(MarkError, match=r"allowed: 0.5 \(a hint\) to below 1"):
        replace(examples, weight=weight)


def test_an_engine_without_vectors_says_so() -> None:
    session = Session(FakeEngine(), CPU, FeatureStore())
    with pytest.raises(ModelError, match="fake cannot be pointed with"):
        session.examples(TWO_ORANGES, [PointMark("red", 36, 44)])
    with pytest.raises(ModelError, match="fake cannot be pointed with"):
        session.pick(TWO_ORANGES, [PointMark("red", 36, 44)])


def test_the_bundled_model_is_pointable_and_learns_an_unknown_word() -> None:
    session = open_session("naclip@mini")
    assert isinstance(session.engine, Pointable)
    assert session.engine.card.pointable
    disc = np.hypot(*(np.mgrid[:96, :128] - 48.0)) < 24
    pixels = np.full((96, 128, 3), 230, np.uint8)
    pixels[disc] = (120, 40, 150)
    image = from_array(pixels)
    words = Vocabulary.parse("blobble")
    examples = session.examples(image, [AreaMark("blobble", disc)])
    labels = session.annotate(image, words, examples=examples).label_map.labels
    both = ((labels == 1) & disc).sum() / ((labels == 1) | disc).sum()
    assert both > 0.6
    assert (session.annotate(image, words).label_map.labels[disc] == 1).mean() < 0.2


def test_vectors_score_as_the_cells_they_come_from() -> None:
    session = open_session("naclip@mini", precision="float32")
    engine = session.engine
    assert isinstance(engine, Pointable)
    bank = session.text_bank(Vocabulary.parse("red; nucleus; -grass"))
    windows = torch.randn(1, 3, engine.card.window.height, engine.card.window.width)
    features = engine.encode_image(windows)
    cells = engine.cell_vectors(features)
    scores = engine.score(features, bank).values[0].flatten(1)
    alone = engine.score_vectors(cells.flatten(0, 2), bank).values[0, :, 0]
    assert_allclose(alone.numpy(), scores.numpy(), atol=1e-5)
    assert_allclose(cells.norm(dim=-1).numpy(), 1, atol=1e-5)
