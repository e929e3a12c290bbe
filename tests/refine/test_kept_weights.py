from __future__ import annotations

import numpy as np
import torch
from fake_engine import FakeEngine
from refine.test_strips import SNAP, picture

from ovseg_annotate.devices import placement
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.geometry import Window
from ovseg_annotate.image import from_array
from ovseg_annotate.refine.kept_weights import Place, WeightStore
from ovseg_annotate.refine.options import PamrSchedule
from ovseg_annotate.refine.pamr import Weights
from ovseg_annotate.refine.strips import refine_strip
from ovseg_annotate.session import Session
from ovseg_annotate.vocabulary import Vocabulary

SCHEDULE = PamrSchedule(1, (1,))


def weights(number: float, size: int = 100) -> Weights:
    return Weights(torch.full((9, size), number), torch.ones(size))


def place(number: int) -> Place:
    return Place(Window(0, 0, 9, 9), Window(number, 0, 1, 1), SCHEDULE)


def never() -> Weights:
    raise AssertionError("they were kept")


def test_kept_weights_change_no_bit() -> None:
    store = WeightStore()
    store.of("picture")
    strip = Window(0, 0, 260, 300)
    for seed in range(3):  # other words on the same picture
        scores, _ = picture(260, 300, 4, seed=seed)
        _, guide = picture(260, 300, 4)
        kept = store.of("picture")
        assert kept is not None
        plain = refine_strip(scores, guide, SNAP)
        assert torch.equal(refine_strip(scores, guide, SNAP, kept.of_strip(strip)), plain)


def test_the_same_place_of_another_strip_has_weights_of_its_own() -> None:
    scores, guide = picture(200, 150, 3)
    store = WeightStore()
    store.of("picture")
    for top in (0, 40):
        kept = store.of("picture")
        assert kept is not None
        part = slice(top, top + 140)
        strip = kept.of_strip(Window(top, 0, 140, 150))
        plain = refine_strip(scores[:, part], guide[:, part], SNAP)
        assert torch.equal(refine_strip(scores[:, part], guide[:, part], SNAP, strip), plain)


def test_a_picture_that_is_looked_at_once_takes_no_memory() -> None:
    store = WeightStore()
    assert store.of("picture") is None
    assert store.of("picture") is not None
    assert store.of("another") is None


def test_weights_are_made_once() -> None:
    store = WeightStore()
    store.of("picture")
    kept = store.of("picture")
    assert kept is not None
    made = kept.weights(place(1), lambda: weights(1.0))
    assert kept.weights(place(1), never) is made


def test_another_picture_makes_room_and_the_same_one_does_not() -> None:
    store = WeightStore(limit=2 * weights(0.0).bytes)
    store.put("first", place(1), weights(1.0))
    store.put("first", place(2), weights(2.0))
    store.put("first", place(3), weights(3.0))
    assert store.get("first", place(3)) is None  # dropping the first would help nobody
    store.put("second", place(1), weights(4.0))
    assert store.get("first", place(1)) is None
    assert store.get("second", place(1)) is not None


def test_what_is_larger_than_the_store_is_not_kept() -> None:
    store = WeightStore(limit=weights(0.0).bytes - 1)
    store.put("picture", place(1), weights(1.0))
    assert store.get("picture", place(1)) is None


def test_a_session_that_knows_a_picture_answers_like_one_that_never_saw_it() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (150, 210, 3), np.uint8)
    image = from_array(np.repeat(np.repeat(pixels[::10, ::10], 10, 0), 10, 1))
    knowing = session()
    for words in ("red; blue", "blue; green", "red; grey"):
        vocabulary = Vocabulary.parse(words)
        knowing.annotate(image, vocabulary)
        again = knowing.annotate(image, vocabulary).label_map
        first = session().annotate(image, vocabulary).label_map
        np.testing.assert_array_equal(again.labels, first.labels)
        np.testing.assert_array_equal(again.confidence, first.confidence)
        np.testing.assert_array_equal(again.margin, first.margin)


def session() -> Session:
    where = placement("cpu", "float32", half_precision=False)
    return Session(FakeEngine(sharpness=3.0), where, FeatureStore())
