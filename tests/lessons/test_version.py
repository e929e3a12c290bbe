from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lessons.test_taught import lesson

from ovseg_annotate.errors import VersionError
from ovseg_annotate.lessons.lesson import Lesson, lesson_of_head
from ovseg_annotate.lessons.model_names import digest_with, split_model, with_version
from ovseg_annotate.lessons.phrase_weights import PhraseWeight
from ovseg_annotate.lessons.tuned_head import TunedHead
from ovseg_annotate.lessons.version import (
    Version,
    VersionCard,
    read_version,
    version_bytes,
    version_from,
)

FIXTURES = Path(__file__).parent.parent / "fixtures"


def version(taught: Lesson | None = None, **changes: object) -> Version:
    taught = taught or lesson()
    values: dict[str, object] = {
        "digest": taught.digest,
        "model": "vectors@none",
        "weights": "0" * 64,
        "space": taught.space,
        "engine_options": "",
        "vocabulary": 'leaf; "a;b"',
        "options": "",
        "settings": "",
        "corrections": (("a.png", "1" * 64), ("ü b.png", "2" * 64)),
        "candidate": "ridge",
        "kept": (),
        "held_back": "2 pictures",
        "before": 0.25,
        "after": 0.5,
        "concepts": taught.concepts,
        "reach": taught.reach,
        "parent": "",
        "created": "2026-01-02T03:04:05+00:00",
        "program": "1",
        "phrases": taught.phrases,
    }
    return Version(VersionCard(**(values | changes)), taught)  # type: ignore[arg-type]


def test_a_version_comes_back_as_it_was() -> None:
    before = version()
    after = version_from(version_bytes(before), "here")
    assert after.card == before.card
    for name in ("offsets", "anchors", "lifts"):
        assert np.array_equal(getattr(after.lesson, name), getattr(before.lesson, name))
    assert (after.lesson.concepts, after.lesson.reach) == (("leaf", ""), 0.2)


def test_a_lesson_without_anchors_comes_back_too() -> None:
    bare = lesson(anchors=np.zeros((0, 0), np.float32), lifts=np.zeros((0, 2), np.float32))
    after = version_from(version_bytes(version(bare)), "here")
    assert after.lesson.anchors.shape == (0, 0)


def test_weights_of_phrases_come_back_to_the_bit() -> None:
    phrases = (
        PhraseWeight("leaf", "größeres Blatt, grün", 2 / 3),
        PhraseWeight("leaf", "b", 4 / 3),
    )
    after = version_from(version_bytes(version(lesson(phrases=phrases))), "here")
    assert after.card.phrases == after.lesson.phrases == phrases


def test_a_version_from_before_phrases_had_weights_is_read() -> None:
    old = read_version(FIXTURES / "schema1.lesson")
    assert old.card == version().card
    assert old.lesson.phrases == ()


def test_no_damaged_byte_passes_for_a_version() -> None:
    content = version_bytes(version())
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        try:
            found = version_from(bytes(damaged), "here")
        except VersionError:
            continue
        # What is left: bytes that say nothing, such as the spaces that safetensors pads with.
        assert found.card == version().card
        assert np.array_equal(found.lesson.lifts, version().lesson.lifts)


@pytest.mark.parametrize("length", [0, 7, 8, 100, 700])
def test_a_file_that_was_cut_off_is_refused(length: int) -> None:
    with pytest.raises(VersionError, match="not a version of a model, or damaged"):
        version_from(version_bytes(version())[:length], "half.lesson")


def test_a_checksum_that_does_not_fit_is_named() -> None:
    content = version_bytes(version()).replace(b"2 pictures", b"9 pictures")
    with pytest.raises(VersionError, match="checksum does not fit"):
        version_from(content, "v1.lesson")


def test_a_newer_schema_says_what_to_do() -> None:
    content = version_bytes(version())
    newer = content.replace(b'"ovseg_lesson":"2"', b'"ovseg_lesson":"7"')
    assert newer != content
    with pytest.raises(VersionError, match="update it"):
        version_from(newer, "v1.lesson")


def test_a_version_that_is_not_there_says_how_to_list_them(tmp_path: Path) -> None:
    with pytest.raises(VersionError, match="ovseg versions"):
        read_version(tmp_path / "v9.lesson")


def test_a_model_is_named_with_its_version(tmp_path: Path) -> None:
    file = tmp_path / "v1.lesson"
    assert split_model(with_version("naclip@mini", file)) == ("naclip@mini", file)
    again = with_version(with_version("naclip@mini", file), tmp_path / "v2.lesson")
    assert again == f"naclip@mini+{tmp_path / 'v2.lesson'}"
    assert split_model("sseg@runs/s+plus") == ("sseg@runs/s+plus", None)


def test_a_plus_in_a_folder_is_no_version(tmp_path: Path) -> None:
    file = tmp_path / "a+b" / "v1.lesson"
    file.parent.mkdir()
    file.touch()
    assert split_model(f"naclip@some+tower+{file}") == ("naclip@some+tower", file)


def test_base_and_lesson_have_one_digest() -> None:
    assert digest_with("a", "b") != digest_with("a", "c")
    assert replace(version().card, digest="x").digest == "x"


def tuned(digest: str = "a" * 64) -> TunedHead:
    return TunedHead(digest, {"start.scale": np.array(0.5, np.float16), "w": FEW})


FEW = np.array([[1, -2], [0, 6e-5]], np.float16)


def test_a_tuned_head_comes_back_to_the_bit() -> None:
    before = version(lesson(head=tuned()), head="a" * 64)
    after = version_from(version_bytes(before), "here")
    assert after.lesson.head is not None
    assert after.lesson.head.digest == "a" * 64
    for name, added in tuned().added.items():
        assert np.array_equal(after.lesson.head.added[name], added)
        assert after.lesson.head.added[name].shape == added.shape


def test_a_tuned_head_on_its_own_comes_back_too() -> None:
    alone = lesson_of_head(tuned(), "vectors 1")
    after = version_from(version_bytes(version(alone, head="a" * 64)), "here")
    assert after.lesson.head is not None
    assert after.lesson.concepts == ()


def test_a_changed_number_of_a_tuned_head_is_found() -> None:
    content = version_bytes(version(lesson(head=tuned()), head="a" * 64))
    place = content.rindex(FEW.tobytes())
    damaged = content[:place] + b"\x01" + content[place + 1 :]
    with pytest.raises(VersionError, match="checksum does not fit"):
        version_from(damaged, "here")


def test_programs_from_before_tuned_heads_read_versions_without_one() -> None:
    assert b'"ovseg_lesson":"2"' in version_bytes(version())
    assert b"head_after" not in version_bytes(version())
    assert b'"ovseg_lesson":"3"' in version_bytes(version(lesson(head=tuned()), head="a" * 64))


def test_a_head_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        TunedHead("a", {"w": np.array([np.inf], np.float16)})
