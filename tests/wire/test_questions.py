from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import FormatError, OptionError, OvsegError
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.pointing.marks import AreaMark, BoxMark, PointMark
from ovseg_annotate.pointing.picking import PickOptions
from ovseg_annotate.refine.options import RefineOptions
from ovseg_annotate.region_options import RegionOptions, SplitOptions
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.wire.limits import Limits
from ovseg_annotate.wire.marks import marks_of, plain_mark
from ovseg_annotate.wire.questions import (
    AnnotateQuestion,
    EvidenceQuestion,
    ExamplesQuestion,
    PickQuestion,
    Question,
    TextQuestion,
    VectorQuestion,
)
from ovseg_annotate.wire.subjects import Model, Sight

LIMITS = Limits(pixels=10_000, bytes=10_000)
DIGEST, OTHER = "a" * 64, "0123456789abcdef" * 4
WORDS = Vocabulary.parse("car: sedan, taxi @0.35 #ff0000; road; -sky")
READING = ReadingOptions(
    page=2, channels=(1, 0), percentiles=(1.5, 98.0), maximum_pixels=9_000, maximum_bytes=9_000
)
SIGHT = Sight(DIGEST, READING)
OPTIONS = AnnotateOptions(
    "448+1.5x", 0.25, 0.1, "wall, floor", 1 / 3, RefineOptions("denoise", every_concept=True), 64
)
MODEL = Model("f" * 64, OTHER, patient=True)
MARKS = (PointMark("car", 1 / 3, 2.0), BoxMark("road", 0, 1, 2, 3.5, positive=False))
REGIONS = RegionOptions(3, "merge", "split", SplitOptions("score"), vertices_per_image=40)
QUESTIONS: list[Question] = [
    AnnotateQuestion(SIGHT, WORDS, OPTIONS, OTHER, REGIONS, "a/b.png", MODEL),
    AnnotateQuestion(SIGHT, WORDS),
    VectorQuestion(SIGHT, OPTIONS, MODEL),
    EvidenceQuestion(SIGHT, WORDS, OPTIONS, (0.0, 1.5, 20.0, 1e6), MODEL),
    TextQuestion(WORDS, "auto", MODEL),
]


def through_json(question: Question) -> object:
    return json.loads(json.dumps(question.plain()))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: type(each).__name__)
def test_a_question_arrives_as_it_was_asked(question: Question) -> None:
    read = type(question).read  # type: ignore[attr-defined]
    assert read(Field(through_json(question), "question"), LIMITS) == question


def test_questions_with_marks_arrive_as_they_were_asked() -> None:
    picking = PickQuestion(SIGHT, MARKS, PickOptions("native", 0.1, "none"), WORDS, MODEL)
    found = PickQuestion.read(Field(through_json(picking), "question"), LIMITS)
    assert (found.marks, found.options, found.vocabulary) == (MARKS, picking.options, WORDS)
    showing = ExamplesQuestion(SIGHT, MARKS, OPTIONS, MODEL)
    shown = ExamplesQuestion.read(Field(through_json(showing), "question"), LIMITS)
    assert (shown.sight, shown.marks, shown.options, shown.model) == (SIGHT, MARKS, OPTIONS, MODEL)


@given(st.data())
def test_an_area_arrives_pixel_by_pixel(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(bits).reshape(height, width)
    mask[data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))] = True
    sent = json.loads(json.dumps([plain_mark(AreaMark("car", mask, positive=False))]))
    (found,) = marks_of(Field(sent, "marks"), 81)
    assert isinstance(found, AreaMark)
    assert not found.positive
    assert np.array_equal(found.mask, mask)


def test_limits_of_the_one_who_answers_count() -> None:
    sight = Sight(DIGEST, ReadingOptions())
    found = VectorQuestion.read(Field(through_json(VectorQuestion(sight)), "question"), LIMITS)
    assert found.sight.reading.maximum_pixels == 10_000
    assert found.sight.reading.maximum_bytes == 10_000


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"image": "../../etc/passwd"}, "64 hexadecimal digits"),
        ({"image": DIGEST.upper()}, "64 hexadecimal digits"),
        ({"image": 7}, "expected a text"),
        ({"vocabulary": ""}, "no words given"),
        ({"vocabulary": ["car"]}, "expected a text"),
        ({"options": {"scale": "huge"}}, "is not understood"),
        ({"options": {"size": 3}}, "unknown option 'size'"),
        ({"options": "scale=448"}, "an object"),
        ({"words": "car"}, "unknown field 'words'"),
        ({"patient": "yes"}, "true or false"),
        ({"lesson": "none"}, "64 hexadecimal digits"),
        ({"reading": {"page": -1}}, "counted from 0"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(changes: dict[str, object], told: str) -> None:
    plain = {"image": DIGEST, "vocabulary": "car", **changes}
    with pytest.raises(OvsegError, match=told):
        AnnotateQuestion.read(Field(plain, "question"), LIMITS)


@pytest.mark.parametrize(
    "mark",
    [
        {"kind": "circle", "concept": "car"},
        {"kind": "point", "concept": "car", "x": 1},
        {"kind": "point", "concept": "car", "x": 1, "y": 2, "positive": 1},
        {"kind": "area", "concept": "car", "height": 10**6, "width": 10**6, "mask": {}},
        {
            "kind": "area",
            "concept": "car",
            "height": 2,
            "width": 2,
            "mask": {"box": [0, 0, 9, 9], "counts": ""},
        },
        [],
    ],
)
def test_a_mark_that_cannot_be_is_refused(mark: object) -> None:
    with pytest.raises(FormatError):
        marks_of(Field([mark], "marks"), 10_000)


def test_marks_without_end_are_refused() -> None:
    with pytest.raises(FormatError, match="at most 10,000"):
        marks_of(Field([{}] * 10_001, "marks"), 100)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(st.sampled_from(QUESTIONS), st.data())
def test_no_value_in_any_field_is_more_than_a_named_error(
    question: Question, data: st.DataObject
) -> None:
    plain = dict(question.plain())
    plain[data.draw(st.sampled_from(sorted(plain)))] = data.draw(json_values)
    with suppress(OvsegError):
        type(question).read(Field(plain, "question"), LIMITS)  # type: ignore[attr-defined]


def test_an_option_error_keeps_its_class() -> None:
    with pytest.raises(OptionError):
        VectorQuestion.read(Field({"image": DIGEST, "options": {"overlap": 7}}, "q"), LIMITS)
