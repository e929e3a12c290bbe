from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dask.array
import numpy as np
import pytest
from fake_engine import FakeEngine
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image
from napari_at_once import OneSession, coloured_picture

from napari_plugin.monitor import Monitor
from napari_plugin.pictures import LayerPictures, PictureSource
from napari_plugin.preferences import Preferences
from napari_plugin.suggesting import Request, Suggestion, Suggestor
from napari_plugin.thresholds import without_weak
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import Cancelled, ImageError
from ovseg_annotate.image import from_array
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.regions import RegionOptions, labels_of
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("red #102030; green @0.6; -blue")
NOISY = np.clip(
    coloured_picture(96) + np.random.default_rng(3).normal(0, 90, (96, 96, 3)), 0, 255
).astype(np.uint8)


def request(source: PictureSource, **changes: object) -> Request:
    asked = Request(
        source, ((),), WORDS, AnnotateOptions(contrast="none"), RegionOptions(), Preferences()
    )
    return replace(asked, **changes)  # type: ignore[arg-type]


def only(suggestor: Suggestor, asked: Request) -> Suggestion:
    (suggestion,) = suggestor.suggestions(asked, Monitor())
    return suggestion


@settings(max_examples=25)
@given(
    threshold=st.none() | st.floats(0, 1, width=32),
    area=st.sampled_from([0, 16, 64]),
    minimum_area=st.integers(0, 60),
    small=st.sampled_from(["drop", "merge"]),
    method=st.sampled_from(["none", "snap"]),
)
def test_pixels_and_provenance_are_those_of_the_command_line(
    threshold: float | None, area: int, minimum_area: int, small: str, method: str
) -> None:
    sessions = OneSession(FakeEngine(sharpness=1.0))
    suggestor, source = Suggestor(sessions), LayerPictures.of(Image(NOISY))
    refine = RefineOptions(method=method)  # type: ignore[arg-type]
    options = AnnotateOptions(contrast="none", threshold=threshold, superpixels=area, refine=refine)
    regions = RegionOptions(minimum_area=minimum_area, small=small)  # type: ignore[arg-type]
    only(suggestor, request(source))  # something is known already
    made = only(suggestor, request(source, annotate=options, regions=regions))
    expected = sessions.real.annotate(from_array(NOISY, name="layer 'Image'"), WORDS, options)
    assert (made.labels == labels_of(expected.annotated_image("x", regions))).all()
    assert made.provenance == expected.provenance


@given(st.data())
def test_a_threshold_on_a_kept_map_gives_what_a_new_run_gives(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    threshold = data.draw(st.floats(0, 1, width=32))
    confidence = rng.random((7, 9)).astype(np.float16)
    confidence[0, 0] = np.float16(threshold)
    labels = rng.integers(0, 4, (7, 9)).astype(np.uint8)
    words = Vocabulary.parse(f"a @{data.draw(st.floats(0, 1, width=32))!r}; b; c")
    made = without_weak(LabelMap(labels, confidence, confidence, words), threshold)
    levels = np.array([0, *(c.threshold or threshold for c in words)], np.float32)
    if words.concepts[0].threshold == 0:
        levels[1] = 0
    strong = confidence.astype(np.float32) >= levels[labels]
    assert (made.labels == np.where(strong, labels, 0)).all()


def test_thresholds_areas_and_colours_run_no_engine() -> None:
    sessions = OneSession(FakeEngine())
    suggestor, source = Suggestor(sessions), LayerPictures.of(Image(coloured_picture()))
    first = only(suggestor, request(source))
    windows = sessions.engine.encoded_windows
    fetched = sessions.real.store.counts.hits
    for changes in (
        {"annotate": AnnotateOptions(contrast="none", threshold=0.9)},
        {"regions": RegionOptions(minimum_area=2000)},
        {"vocabulary": Vocabulary.parse("red @0.2; green #ffffff; -blue")},
    ):
        only(suggestor, request(source, **changes))
    assert sessions.real.store.counts.hits == fetched
    assert sessions.engine.encoded_windows == windows
    assert first.labels.any()


def test_other_words_and_borders_run_on_kept_features() -> None:
    sessions = OneSession(FakeEngine())
    suggestor, source = Suggestor(sessions), LayerPictures.of(Image(coloured_picture()))
    only(suggestor, request(source))
    windows = sessions.engine.encoded_windows
    only(suggestor, request(source, vocabulary=Vocabulary.parse("blue; green")))
    rough = AnnotateOptions(contrast="grey, white", refine=RefineOptions(method="none"))
    only(suggestor, request(source, annotate=rough))
    assert sessions.engine.encoded_windows == windows


def test_another_picture_is_not_answered_from_the_former() -> None:
    suggestor = Suggestor(OneSession(FakeEngine()))
    one = only(suggestor, request(LayerPictures.of(Image(coloured_picture()))))
    other = only(suggestor, request(LayerPictures.of(Image(coloured_picture()[:, ::-1]))))
    assert (one.labels[:, ::-1] == other.labels).all()


def test_a_stack_gives_one_suggestion_a_plane_in_the_order_asked() -> None:
    suggestor = Suggestor(OneSession(FakeEngine()))
    stack = np.stack([coloured_picture(), coloured_picture()[:, ::-1]])
    source = LayerPictures.of(Image(stack))
    made = list(suggestor.suggestions(request(source, planes=((1,), (0,))), Monitor()))
    assert [each.plane for each in made] == [(1,), (0,)]
    assert (made[0].labels == made[1].labels[:, ::-1]).all()


def test_a_stopped_run_ends_before_the_next_batch_of_windows() -> None:
    engine = FakeEngine()
    suggestor, monitor = Suggestor(OneSession(engine)), Monitor()
    source = LayerPictures.of(Image(np.zeros((512, 512, 3), np.uint8)))
    monitor.stop()
    with pytest.raises(Cancelled):
        list(suggestor.suggestions(request(source), monitor))
    assert engine.encoded_windows == 0


def test_progress_is_told_in_words_and_numbers() -> None:
    told = []

    class Listening(Monitor):
        def tell(self, report: object) -> None:
            told.append(report)

    suggestor = Suggestor(OneSession(FakeEngine()))
    stack = np.stack([coloured_picture(), coloured_picture()])
    source = LayerPictures.of(Image(stack))
    list(suggestor.suggestions(request(source, planes=((0,), (1,))), Listening()))
    last = [each for each in told if each.text == "plane 2 of 2: windows"][-1]
    assert last.done == last.total > 1


def test_a_plane_that_cannot_be_read_is_an_error_after_those_before_it(tmp_path: Path) -> None:
    path = tmp_path / "planes.npy"
    np.save(path, np.stack([coloured_picture()] * 2))
    data = dask.array.from_delayed(dask.delayed(np.load)(path), (2, 64, 64, 3), np.uint8)
    source = LayerPictures.of(Image(data, rgb=True))
    made = Suggestor(OneSession(FakeEngine())).suggestions(
        request(source, planes=((0,), (1,))), Monitor()
    )
    assert next(made).labels.any()
    path.unlink()
    with pytest.raises(ImageError, match=r"plane \(1,\).*cannot be read"):
        next(made)
