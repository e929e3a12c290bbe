"""Records: finished when there, and never in the way of a person's work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from annotated_samples import annotated, fingerprint, picture, picture_file
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.formats import native
from ovseg_annotate.run_folder.pictures import Fingerprint, Picture
from ovseg_annotate.run_folder.records import (
    RecordState,
    record_path,
    stamp_of,
    state_of,
    write_record,
)


@pytest.fixture
def taken(tmp_path: Path) -> Picture:
    return picture(tmp_path / "photos" / "a.png")


@pytest.fixture
def record(tmp_path: Path, taken: Picture) -> Path:
    path = record_path(tmp_path / "records", taken.name)
    write_record(path, annotated(), "settings-1", fingerprint(taken))
    return path


def test_a_picture_without_a_record_is_to_do(tmp_path: Path, taken: Picture) -> None:
    assert state_of(tmp_path / "none.json", taken, "settings-1") is RecordState.TO_DO


def test_a_picture_with_its_record_is_finished(record: Path, taken: Picture) -> None:
    assert state_of(record, taken, "settings-1") is RecordState.FINISHED


def test_other_settings_make_a_suggestion_due_again(record: Path, taken: Picture) -> None:
    assert state_of(record, taken, "settings-2") is RecordState.TO_DO


def test_a_changed_picture_of_the_same_size_is_due_again(record: Path, taken: Picture) -> None:
    before = taken.path.stat()
    content = bytearray(taken.path.read_bytes())
    content[-20] ^= 1
    taken.path.write_bytes(content)
    os.utime(taken.path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert state_of(record, taken, "settings-1") is RecordState.TO_DO


def test_a_picture_that_was_only_copied_anew_is_finished(record: Path, taken: Picture) -> None:
    os.utime(taken.path, ns=(1, 1))
    assert state_of(record, taken, "settings-1") is RecordState.FINISHED


def test_a_correction_is_never_due(record: Path, taken: Picture) -> None:
    native.write_record(record, native.Record(annotated(), native.Kind.CORRECTION))
    for settings in ("settings-1", "settings-2"):
        assert state_of(record, taken, settings) is RecordState.CORRECTED


@pytest.mark.parametrize("before_after", [("suggestion", "correction"), ('"red"', '"green"')])
def test_a_record_edited_by_hand_counts_as_corrected(
    record: Path, taken: Picture, before_after: tuple[str, str]
) -> None:
    text = record.read_text()
    assert before_after[0] in text
    record.write_text(text.replace(*before_after))
    assert state_of(record, taken, "settings-2") is RecordState.CORRECTED


def test_a_record_that_a_tool_wrote_again_counts_as_corrected(record: Path, taken: Picture) -> None:
    record.write_text(json.dumps(json.loads(record.read_text()), indent=2))
    assert state_of(record, taken, "settings-2") is RecordState.CORRECTED


def test_a_record_is_one_valid_json_document_that_the_native_format_reads(record: Path) -> None:
    assert json.loads(record.read_text())["made_from"]["settings"] == "settings-1"
    back = native.read_record(record)
    assert back.kind is native.Kind.SUGGESTION
    assert [region.concept for region in back.image.regions] == ["red"]


@given(line=st.binary(max_size=300))
def test_any_first_line_is_read_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, line: bytes
) -> None:
    path = tmp_path_factory.mktemp("stamps") / "a.json"
    path.write_bytes(b'{"made_from": ' + line)
    stamp_of(path)


def test_a_fingerprint_of_a_file_that_went_away_no_longer_holds(tmp_path: Path) -> None:
    path = picture_file(tmp_path / "a.png")
    taken = Fingerprint.of(path)
    path.unlink()
    assert not taken.still_holds(path)
