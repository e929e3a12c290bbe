from __future__ import annotations

import numpy as np
import pytest
from lessons.test_taught import lesson

from ovseg_annotate.errors import FormatError
from ovseg_annotate.lessons.phrase_weights import PhraseWeight
from ovseg_annotate.wire.answers import lesson_bytes, lesson_of
from ovseg_annotate.wire.packets import packed, unpacked

PHRASES = (PhraseWeight("leaf", "Blättchen, grün", 2 / 3), PhraseWeight("leaf", "b", 4 / 3))


def test_a_lesson_comes_over_whole() -> None:
    before = lesson(phrases=PHRASES)
    after = lesson_of(lesson_bytes(before), "here")
    for name in ("digest", "space", "concepts", "reach", "phrases"):
        assert getattr(after, name) == getattr(before, name)
    for name in ("offsets", "anchors", "lifts"):
        assert np.array_equal(getattr(after, name), getattr(before, name))


def test_a_lesson_without_weights_is_written_as_it_always_was() -> None:
    packet = unpacked(lesson_bytes(lesson()), "lesson", "here")
    assert "phrases" not in packet.texts
    assert lesson_of(lesson_bytes(lesson()), "here").phrases == ()


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        ("{}", "a list"),
        ("[1]", "an object"),
        ('[{"concept": "leaf", "phrase": "b"}]', "'weight' is missing"),
        ('[{"concept": "leaf", "phrase": "b", "weight": "1"}]', "a number"),
        ('[{"concept": "leaf", "phrase": "b", "weight": 0}]', "above 0"),
        ('[{"concept": "stem", "phrase": "b", "weight": 1}]', "taught concepts"),
    ],
)
def test_weights_that_are_none_are_refused(phrases: str, message: str) -> None:
    packet = unpacked(lesson_bytes(lesson()), "lesson", "here")
    texts = {name: text for name, text in packet.texts.items() if name != "ovseg"}
    data = packed("lesson", {**texts, "phrases": phrases}, packet.arrays)
    with pytest.raises(FormatError, match=message):
        lesson_of(data, "here")
