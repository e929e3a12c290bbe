from __future__ import annotations

from pathlib import Path

import pytest

from labelstudio_backend.door_state import FILE_NAME, DoorState, read_state, states_in, write_state

HERE = DoorState(3, "3.17", "http://127.0.0.1:8080", renewed="ab12")


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    for state in (HERE, DoorState(4, "4.17", "http://127.0.0.1:8080"), HERE):
        write_state(tmp_path, state)
        assert read_state(tmp_path) == state


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"project": "x"}', b"\xff"])
def test_a_damaged_file_is_found_out_anew_with_a_warning(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    assert read_state(tmp_path) is None
    assert str(tmp_path / FILE_NAME) in caplog.text


def test_the_projects_of_one_server_are_found_and_those_of_others_are_not(tmp_path: Path) -> None:
    write_state(tmp_path / "one", HERE)
    write_state(tmp_path / "other", DoorState(5, "5.17", "http://elsewhere:8080"))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / FILE_NAME).write_bytes(b"{")
    assert list(states_in(tmp_path, HERE.server)) == [HERE]
