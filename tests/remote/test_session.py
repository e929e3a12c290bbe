"""A session on a server gives what a session here gives, byte for byte."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_engine import FakeEngine
from PIL import Image as Pillow
from served import Served, options_in, served, session_of
from vector_engine import VectorEngine
from waiting import wait_until

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.annotation import Annotation
from ovseg_annotate.any_session import AnySession
from ovseg_annotate.errors import (
    Cancelled,
    ImageError,
    MarkError,
    OptionError,
    VersionError,
    VocabularyError,
)
from ovseg_annotate.image import Image, ReadingOptions, from_array, read_image
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.phrase_weights import PhraseWeight
from ovseg_annotate.pointing.marks import AreaMark, BoxMark, PointMark
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.remote import RemoteSession
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Progress, Watch

WORDS = Vocabulary.parse("red; blue: blue, azure @0.3 #0000ff; -green")


def picture(seed: int = 0) -> Image:
    """Patches of pure colours."""
    random = np.random.default_rng(seed)
    colours = np.array([[255, 0, 0], [0, 0, 255], [0, 255, 0], [0, 0, 0]], np.uint8)
    return from_array(np.repeat(np.repeat(colours[random.integers(0, 4, (6, 8))], 12, 0), 12, 1))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(VectorEngine(), tmp_path) as found:
        yield found


@pytest.fixture
def there(server: Served) -> RemoteSession:
    return server.session()


@pytest.fixture
def here() -> AnySession:
    return session_of(VectorEngine())


def check_equal(one: Annotation | None, other: Annotation | None) -> None:
    assert one is not None
    assert other is not None
    for name in ("labels", "confidence", "margin"):
        mine, theirs = getattr(one.label_map, name), getattr(other.label_map, name)
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        assert mine.tobytes() == theirs.tobytes()
    assert one.label_map.vocabulary == other.label_map.vocabulary
    assert one.provenance == other.provenance
    assert (one.image_key, one.warnings) == (other.image_key, other.warnings)


def check_same_fields(one: object, other: object, *names: str) -> None:
    for name in names:
        mine, theirs = getattr(one, name), getattr(other, name)
        if isinstance(mine, np.ndarray):
            assert (mine.dtype, mine.tobytes()) == (theirs.dtype, theirs.tobytes())
        else:
            assert mine == theirs


def test_what_a_model_is_comes_over_whole(there: RemoteSession, here: AnySession) -> None:
    check_same_fields(there, here, "model", "base_model", "card", "precision", "weights_digest")


@pytest.mark.parametrize(
    "options",
    [
        AnnotateOptions(),
        AnnotateOptions("2x+native", 0.3, 0.2, "none", 0.4, RefineOptions("denoise"), 64),
    ],
)
def test_an_annotation_is_byte_equal(
    there: RemoteSession, here: AnySession, options: AnnotateOptions
) -> None:
    image = picture()
    check_equal(there.annotate(image, WORDS, options), here.annotate(image, WORDS, options))


def test_a_picture_with_pixels_that_are_no_number_is_annotated_alike(
    there: RemoteSession, here: AnySession
) -> None:
    values = np.random.default_rng(1).random((40, 50)).astype(np.float32)
    values[:7] = np.nan
    image = from_array(values)
    assert image.valid is not None
    check_equal(there.annotate(image, WORDS), here.annotate(image, WORDS))


def test_examples_picks_evidence_vectors_and_words_are_equal(
    there: RemoteSession, here: AnySession
) -> None:
    image, mask = picture(), np.zeros((72, 96), np.bool_)
    mask[2:9, 3:30] = True
    marks = (PointMark("red", 20.5, 31.0), BoxMark("blue", 1, 2, 40, 33), AreaMark("red", mask))
    mine, theirs = there.examples(image, marks), here.examples(image, marks)
    names = ("engine", "concepts", "positive", "prototypes", "directions", "unlike", "weight")
    check_same_fields(mine, theirs, *names)
    check_equal(
        there.annotate(image, WORDS, examples=mine), here.annotate(image, WORDS, examples=theirs)
    )
    click = (PointMark("red", 20.5, 31.0), PointMark("red", 90.0, 60.0, positive=False))
    check_same_fields(
        there.pick(image, click, vocabulary=WORDS), here.pick(image, click, vocabulary=WORDS),
        "mask", "score",
    )  # fmt: skip
    asked = (image, WORDS, AnnotateOptions(), (3.0, 4.0, 50.0, 60.0))
    found, expected = there.evidence(*asked), here.evidence(*asked)
    check_same_fields(found, expected, "vectors", "log_odds", "grid", "vocabulary", "phrases")
    assert there.picture_vector(image).tobytes() == here.picture_vector(image).tobytes()
    bank, own = there.text_bank(WORDS, "auto"), here.text_bank(WORDS, "auto")
    assert bank.embeddings.numpy().tobytes() == own.embeddings.numpy().tobytes()
    check_same_fields(bank, own, "vocabulary", "wording", "warnings")


def lesson_for(session: AnySession) -> Lesson:
    width = len(session.picture_vector(picture()))
    anchors = np.eye(2, width, dtype=np.float32)
    lifts = np.array([[2.0, 0.0], [0.0, 3.0]], np.float32)
    offsets = np.array([0.5, -0.25], np.float32)
    phrases = (PhraseWeight("blue", "blue", 0.5), PhraseWeight("blue", "azure", 1.5))
    concepts = ("red", "blue")
    return Lesson("d" * 64, session.card.space, concepts, offsets, anchors, lifts, 0.3, phrases)


def test_a_version_of_the_model_is_sent_once_and_answers_alike(
    there: RemoteSession, here: AnySession
) -> None:
    lesson = lesson_for(here)
    mine, theirs = there.taught(lesson), here.taught(lesson)
    check_same_fields(mine, theirs, "model", "weights_digest")
    check_equal(mine.annotate(picture(), WORDS), theirs.annotate(picture(), WORDS))
    check_equal(there.annotate(picture(), WORDS), here.annotate(picture(), WORDS))
    equal = here.taught(replace(lesson, phrases=())).annotate(picture(), WORDS).label_map
    assert (equal.confidence != mine.annotate(picture(), WORDS).label_map.confidence).any()
    with pytest.raises(VersionError, match="does not fit"):
        there.taught(replace(lesson, space="another engine"))


def test_many_files_are_annotated_in_order_and_a_bad_one_is_no_end(
    there: RemoteSession, here: AnySession, tmp_path: Path
) -> None:
    paths = []
    for number in range(6):
        paths.append(tmp_path / f"{number}.png")
        Pillow.fromarray(picture(number).pixels).save(paths[-1])
    paths[1].write_bytes(paths[1].read_bytes()[:150])
    paths[3].unlink()
    paths.append(tmp_path)
    reading = ReadingOptions(channels=(2, 1, 0))
    mine = list(there.annotate_many(paths, WORDS, reading=reading))
    theirs = list(here.annotate_many(paths, WORDS, reading=reading))
    assert [each.path for each in mine] == paths
    for found, expected in zip(mine, theirs, strict=True):
        if expected.error is None:
            check_equal(found.annotation, expected.annotation)
        else:
            assert isinstance(found.error, ImageError)
            assert str(found.error) == str(expected.error)


def test_a_file_that_is_too_large_for_the_server_is_no_end_either(tmp_path: Path) -> None:
    paths = [tmp_path / "large.bmp", tmp_path / "small.png"]
    for path in paths:
        Pillow.fromarray(picture().pixels).save(path)
    with served(VectorEngine(), tmp_path, options_in(tmp_path, image_bytes=10_000)) as server:
        large, small = server.session().annotate_many(paths, WORDS)
    assert isinstance(large.error, ImageError)
    assert "--image-bytes" in str(large.error)
    assert small.annotation is not None


def test_a_picture_travels_once(there: RemoteSession, server: Served) -> None:
    for words in ("red", "blue; red", "green"):
        there.annotate(picture(), Vocabulary.parse(words))
    uploads = [line for line in server.house.metrics.text().splitlines() if "digest" in line]
    assert 'ovseg_requests_total{route="/images/{digest}",status="201"} 1' in uploads


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_what_the_server_lost_is_sent_again(
    there: RemoteSession, here: AnySession, server: Served, damage: str
) -> None:
    image = picture()
    there.annotate(image, WORDS)
    (file,) = server.house.options.images_folder().iterdir()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(b"x" + file.read_bytes()[1:])
    server.house.answerer.pictures._kept.clear()
    check_equal(there.annotate(image, WORDS), here.annotate(image, WORDS))


def test_errors_have_the_class_they_were_raised_with(there: RemoteSession) -> None:
    image = picture()
    with pytest.raises(MarkError, match="outside the picture"):
        there.pick(image, (PointMark("red", 900, 900),))
    with pytest.raises(VocabularyError, match="among the words"):
        there.pick(image, (PointMark("dog", 9, 9),), vocabulary=WORDS)
    with pytest.raises(OptionError, match="beyond the"):
        there.annotate(image, WORDS, AnnotateOptions("65536"))


def test_progress_is_told_and_a_stop_ends_the_work(tmp_path: Path) -> None:
    engine = Slow()
    with served(engine, tmp_path) as server:
        session, told, stop = server.session(), list[Progress](), threading.Event()
        watch = Watch(told.append, stop.is_set)
        outcome: list[object] = []

        def ask() -> None:
            try:
                outcome.append(session.annotate(picture(), WORDS, AnnotateOptions("4x"), watch))
            except Cancelled as error:
                outcome.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        engine.go_on.release(4)  # batches, which are one step of progress
        wait_until(lambda: bool(told))
        stop.set()
        asking.join(20)
        assert not asking.is_alive()
        wait_until(lambda: 'status="204"' in server.house.metrics.text())  # the server knows
        engine.go_on.release(1)  # the pass that was in work when it was stopped
        wait_until(lambda: server.house.work.in_work == 0)
    assert isinstance(outcome[0], Cancelled)
    assert told[0].stage == "windows"
    assert told[0].done < told[0].total
    assert len(engine.batches) < 12


class Slow(FakeEngine):
    """Every network pass waits to be let through."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Semaphore(0)

    def encode_image(self, windows: object) -> object:  # type: ignore[override]
        assert self.go_on.acquire(timeout=20)
        return super().encode_image(windows)  # type: ignore[arg-type]


def test_read_files_and_pictures_in_memory_give_one_answer(
    there: RemoteSession, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    Pillow.fromarray(picture().pixels).save(path)
    (of_file,) = there.annotate_many([path], WORDS)
    check_equal(of_file.annotation, there.annotate(read_image(path), WORDS))
