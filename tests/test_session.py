from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_engine import FakeEngine
from PIL import Image as Pillow

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.devices import Placement, placement
from ovseg_annotate.errors import (
    Cancelled,
    ImageError,
    MemoryLimitError,
    ModelError,
    OptionError,
    OvsegError,
)
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.image import Image, from_array
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.session import Session
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Progress, Watch

CPU = Placement(torch.device("cpu"), torch.float32)
WORDS = Vocabulary.parse("red; green; blue")
PLAIN = AnnotateOptions(contrast="none", refine=RefineOptions(method="none"))


def session_with(engine: FakeEngine, store: FeatureStore | None = None) -> Session:
    return Session(engine, CPU, store or FeatureStore())


def quarters(height: int = 96, width: int = 128) -> Image:
    """Red, green, blue and black quarters."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2, 0] = 255
    pixels[: height // 2, width // 2 :, 1] = 255
    pixels[height // 2 :, : width // 2, 2] = 255
    return from_array(pixels)


def written(folder: Path, count: int) -> list[Path]:
    paths = []
    for number in range(count):
        path = folder / f"picture {number}.png"
        pixels = np.zeros((40, 48, 3), np.uint8)
        pixels[..., number % 3] = 255
        Pillow.fromarray(pixels).save(path)
        paths.append(path)
    return paths


def test_every_colour_is_found_where_it_is() -> None:
    result = session_with(FakeEngine()).annotate(quarters(), WORDS, PLAIN)
    labels = result.label_map.labels
    assert (labels[:44, :60] == 1).all()
    assert (labels[:44, 68:] == 2).all()
    assert (labels[52:, :60] == 3).all()


def test_windows_leave_no_seam() -> None:
    disk = np.hypot(*(np.mgrid[:128, :128] - 63.5)) < 40
    pixels = np.where(disk[..., None], (255, 0, 0), (0, 0, 255)).astype(np.uint8)
    image = from_array(pixels)
    whole = session_with(FakeEngine().with_card(window=type(image.size)(128, 128)))
    one = whole.annotate(image, WORDS, PLAIN).label_map
    many = session_with(FakeEngine()).annotate(image, WORDS, PLAIN).label_map
    np.testing.assert_array_equal(one.labels, many.labels)


def test_other_words_do_not_run_the_tower_again() -> None:
    engine = FakeEngine()
    session = session_with(engine)
    session.annotate(quarters(), WORDS, PLAIN)
    encoded = engine.encoded_windows
    assert encoded > 0
    session.annotate(quarters(), Vocabulary.parse("black; white"), PLAIN)
    session.annotate(quarters(), WORDS, replace(PLAIN, threshold=0.9))
    assert engine.encoded_windows == encoded


def test_kept_features_give_the_same_bytes(tmp_path: Path) -> None:
    first = session_with(FakeEngine(), FeatureStore(folder=tmp_path))
    fresh = first.annotate(quarters(), WORDS).label_map
    engine = FakeEngine()
    second = session_with(engine, FeatureStore(folder=tmp_path))
    kept = second.annotate(quarters(), WORDS).label_map
    assert engine.encoded_windows == 0
    assert fresh.labels.tobytes() == kept.labels.tobytes()
    assert fresh.confidence.tobytes() == kept.confidence.tobytes()


@pytest.mark.parametrize(
    "changes",
    [{"version": "2"}, {"weights_digest": "1" * 64}, {"feature_options": "sigma=3"}],
)
def test_another_engine_does_not_take_kept_features(changes: dict[str, str]) -> None:
    store = FeatureStore()
    session_with(FakeEngine(), store).annotate(quarters(), WORDS, PLAIN)
    engine = FakeEngine().with_card(**changes)
    session_with(engine, store).annotate(quarters(), WORDS, PLAIN)
    assert engine.encoded_windows > 0


def test_another_picture_of_the_same_size_is_another_answer() -> None:
    session = session_with(FakeEngine())
    session.annotate(quarters(), WORDS, PLAIN)
    other = from_array(np.full((96, 128, 3), (0, 255, 0), np.uint8))
    assert (session.annotate(other, WORDS, PLAIN).label_map.labels == 2).all()


def test_running_out_of_memory_halves_the_batch_and_is_told() -> None:
    small = FakeEngine(largest_batch=2)
    result = session_with(small).annotate(quarters(), WORDS, PLAIN)
    usual = session_with(FakeEngine()).annotate(quarters(), WORDS, PLAIN)
    np.testing.assert_array_equal(result.label_map.labels, usual.label_map.labels)
    assert max(small.batches) == 2
    assert any("ran out of memory" in warning for warning in result.warnings)
    assert usual.warnings == ()


def test_a_device_too_small_for_one_window_says_what_to_do() -> None:
    with pytest.raises(MemoryLimitError, match="smaller tower"):
        session_with(FakeEngine(largest_batch=0)).annotate(quarters(), WORDS, PLAIN)


def test_a_failing_window_fails_the_picture_and_is_named() -> None:
    with pytest.raises(ModelError, match=r"failed on windows 1 to \d+ of \d+: ZeroDivisionError"):
        session_with(FakeEngine(fails_on_black=True)).annotate(quarters(), WORDS, PLAIN)


def test_scores_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ModelError, match="not numbers"):
        session_with(FakeEngine(not_a_number=True)).annotate(quarters(), WORDS, PLAIN)


def test_too_many_concepts_for_the_grid_are_refused_before_any_work() -> None:
    engine = FakeEngine()
    words = Vocabulary.parse(";".join(f"concept {number}" for number in range(60_000)))
    image = from_array(np.zeros((512, 512, 3), np.uint8))
    with pytest.raises(MemoryLimitError, match="60000 concepts"):
        session_with(engine).annotate(image, words, PLAIN)
    assert engine.encoded_windows == 0


def test_five_thousand_concepts_are_answered() -> None:
    words = Vocabulary.parse("green;" + ";".join(f"concept {number}" for number in range(5000)))
    result = session_with(FakeEngine()).annotate(
        from_array(np.full((40, 40, 3), (0, 255, 0), np.uint8)), words, PLAIN
    )
    assert result.label_map.labels.dtype == np.uint16
    assert (result.label_map.labels == 1).all()


def test_pixels_without_a_number_stay_unlabelled() -> None:
    array = np.full((40, 40), 1.0, np.float32)
    array[:, 20:] = 0.0
    array[:10, :10] = np.nan
    session = session_with(FakeEngine())
    labels = session.annotate(from_array(array), Vocabulary.parse("white; black"), PLAIN)
    assert not labels.label_map.labels[:10, :10].any()
    assert (labels.label_map.labels[12:, :18] == 1).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 5), (97, 33)])
def test_odd_sizes_are_labelled_whole(size: tuple[int, int]) -> None:
    image = from_array(np.full((*size, 3), (255, 0, 0), np.uint8))
    labels = session_with(FakeEngine()).annotate(image, WORDS).label_map.labels
    assert labels.shape == size
    assert (labels == 1).all()


@pytest.mark.parametrize("scale", ["native", "48", "0.5x", "2x", "1x+0.5x", "native+96"])
def test_every_scale_finds_the_colours(scale: str) -> None:
    result = session_with(FakeEngine()).annotate(quarters(), WORDS, replace(PLAIN, scale=scale))
    assert [result.label_map.labels[y, x] for y, x in [(20, 20), (20, 100), (80, 20)]] == [1, 2, 3]


def test_the_view_of_the_whole_picture_takes_part() -> None:
    session = session_with(FakeEngine())
    plain = session.annotate(quarters(), WORDS, PLAIN)
    mixed = session.annotate(quarters(), WORDS, replace(PLAIN, overview=0.5))
    assert not np.array_equal(plain.label_map.confidence, mixed.label_map.confidence)
    assert (mixed.label_map.labels[10:30, 10:50] == 1).all()


@pytest.mark.parametrize("scale", ["big", "0x", "8", "1x+", "99x", ""])
def test_a_scale_that_cannot_be_read_says_how_to_write_it(scale: str) -> None:
    with pytest.raises(OptionError, match="native"):
        AnnotateOptions(scale=scale)


def test_independent_concepts_are_judged_alone() -> None:
    session = session_with(FakeEngine(competing=False))
    labels = session.annotate(quarters(), WORDS, replace(PLAIN, threshold=0.5)).label_map.labels
    assert (labels[:44, :60] == 1).all()
    assert not labels[52:, 68:].any()


def test_progress_runs_to_the_end_of_each_stage() -> None:
    seen: list[Progress] = []
    session_with(FakeEngine()).annotate(quarters(), WORDS, PLAIN, Watch(progress=seen.append))
    for stage in ("windows", "pixels"):
        steps = [step for step in seen if step.stage == stage]
        assert steps[-1].done == steps[-1].total
        assert [step.done for step in steps] == sorted({step.done for step in steps})


def test_cancelling_stops_between_batches_and_the_session_lives_on() -> None:
    engine = FakeEngine()
    session = session_with(engine)
    image = from_array(np.zeros((400, 400, 3), np.uint8))
    with pytest.raises(Cancelled):
        session.annotate(image, WORDS, PLAIN, Watch(cancel=lambda: True))
    assert engine.encoded_windows < 100
    assert session.annotate(quarters(), WORDS, PLAIN).label_map.labels.any()


def test_threads_share_a_session() -> None:
    session = session_with(FakeEngine(), FeatureStore(memory_bytes=10_000))
    images = [
        from_array(np.full((60 + n, 60, 3), colour, np.uint8))
        for n, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255)] * 4)
    ]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda image: session.annotate(image, WORDS, PLAIN), images))
    for number, result in enumerate(results):
        assert (result.label_map.labels == number % 3 + 1).all()


def test_many_pictures_come_in_order_and_a_bad_one_does_not_stop_the_others(
    tmp_path: Path,
) -> None:
    paths = written(tmp_path, 6)
    paths[2].write_bytes(b"not a picture")
    outcomes = list(session_with(FakeEngine()).annotate_many(paths, WORDS, PLAIN))
    assert [outcome.path for outcome in outcomes] == paths
    assert [outcome.error is None for outcome in outcomes] == [True, True, False, True, True, True]
    assert isinstance(outcomes[2].error, ImageError)
    assert "picture 2.png" in str(outcomes[2].error)
    for number in (0, 1, 3, 4, 5):
        annotation = outcomes[number].annotation
        assert annotation is not None
        assert (annotation.label_map.labels == number % 3 + 1).all()


def test_an_abandoned_run_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    outcomes = session_with(FakeEngine()).annotate_many(written(tmp_path, 8), WORDS, PLAIN)
    next(outcomes)
    outcomes.close()
    assert threading.active_count() == before


def test_pictures_are_read_only_a_little_ahead(tmp_path: Path) -> None:
    asked: list[Path] = []

    def paths():
        for path in written(tmp_path, 12):
            asked.append(path)
            yield path

    outcomes = session_with(FakeEngine()).annotate_many(paths(), WORDS, PLAIN)
    next(outcomes)
    assert len(asked) <= 4
    outcomes.close()


def test_cancelling_ends_a_run_of_many(tmp_path: Path) -> None:
    stop = threading.Event()
    session = session_with(FakeEngine())
    outcomes = session.annotate_many(
        written(tmp_path, 8), WORDS, PLAIN, watch=Watch(cancel=stop.is_set)
    )
    next(outcomes)
    stop.set()
    with pytest.raises(Cancelled):
        list(outcomes)


def test_near_duplicates_earn_a_warning() -> None:
    words = Vocabulary.parse("red; crimson: red; blue")
    warnings = session_with(FakeEngine()).annotate(quarters(), words, PLAIN).warnings
    assert any("'red'" in warning and "'crimson'" in warning for warning in warnings)


def test_words_a_tower_was_never_taught_earn_a_warning_that_lists_what_it_knows() -> None:
    engine = FakeEngine().with_card(known_words=("red", "green"))
    warnings = session_with(engine).annotate(quarters(), WORDS, PLAIN).warnings
    assert any("'blue'" in warning and "green, red" in warning for warning in warnings)


def test_provenance_tells_apart_what_was_done_differently() -> None:
    session = session_with(FakeEngine())
    first = session.annotate(quarters(), WORDS, PLAIN).provenance
    again = session.annotate(quarters(), WORDS, PLAIN).provenance
    stricter = session.annotate(quarters(), WORDS, replace(PLAIN, threshold=0.7)).provenance
    assert first == again
    assert first.digest != stricter.digest


def test_an_unknown_device_or_precision_lists_what_there_is() -> None:
    with pytest.raises(OptionError, match="cpu"):
        placement("cuda:99", "auto", half_precision=True)
    with pytest.raises(OptionError, match="bfloat16"):
        placement("cpu", "half", half_precision=True)
    with pytest.raises(OptionError, match="float32 only"):
        placement("cpu", "bfloat16", half_precision=False)


def test_an_error_of_any_kind_is_one_of_ours() -> None:
    assert issubclass(Cancelled, OvsegError)


def test_superpixels_decide_together() -> None:
    speckled = np.full((96, 96, 3), (255, 0, 0), np.uint8)
    speckled[::8, ::8] = (200, 0, 0)
    speckled[40:48, 40:48] = (0, 0, 255)
    session = session_with(FakeEngine())
    image = from_array(speckled)
    voted = session.annotate(image, WORDS, replace(PLAIN, superpixels=2000)).label_map
    assert len(np.unique(voted.labels)) <= len(
        np.unique(session.annotate(image, WORDS, PLAIN).label_map.labels)
    )
    assert (voted.labels[:16, :16] == voted.labels[0, 0]).all()


def test_masks_of_the_user_get_one_label_each() -> None:
    mask = np.zeros((96, 128), np.bool_)
    mask[:60, :70] = True  # most of it red
    annotation = session_with(FakeEngine()).annotate(quarters(), WORDS, PLAIN)
    voted = annotation.voted([mask]).label_map.labels
    assert (voted[mask] == 1).all()
    np.testing.assert_array_equal(voted[~mask], annotation.label_map.labels[~mask])


def test_several_threads_of_torch_give_the_same_bytes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    image = from_array(pixels)
    one = session_with(FakeEngine()).annotate(image, WORDS).label_map
    torch.set_num_threads(2)
    try:
        two = session_with(FakeEngine()).annotate(image, WORDS).label_map
    finally:
        torch.set_num_threads(1)
    assert one.labels.tobytes() == two.labels.tobytes()
    assert one.confidence.tobytes() == two.confidence.tobytes()
