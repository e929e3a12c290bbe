"""What is kept, who may ask, and what an operator may set."""

from __future__ import annotations

import hashlib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import options_in
from starlette.datastructures import Headers

from ovseg_annotate.errors import OptionError
from ovseg_annotate.server.guard import BearerGuard
from ovseg_annotate.server.memory import Memory
from ovseg_annotate.server.settings import ServeOptions, read_tokens
from ovseg_annotate.server.uploads import Uploads

TOKENS = ("first-token-of-all", "second-token-of-all")


def keep(uploads: Uploads, data: bytes, client: str = "a") -> str:
    digest = hashlib.sha256(data).hexdigest()
    with uploads.receiving(digest, client) as file:
        file.write(data)
    return digest


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, 30, 100)
    one, two, three = (keep(uploads, bytes([n]) * 10) for n in range(3))
    assert uploads.has(one)
    four = keep(uploads, b"4" * 10)
    assert [uploads.has(each) for each in (one, two, three, four)] == [True, False, True, True]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((one, three, four))
    assert uploads.used == 30


def test_a_client_over_its_share_loses_its_own_and_nobody_elses(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, 1000, 20)
    other = keep(uploads, b"other", "b")
    mine = [keep(uploads, bytes([n]) * 10) for n in range(3)]
    assert uploads.has(other)
    assert [uploads.has(each) for each in mine] == [False, True, True]


def test_uploads_outlive_the_server_and_leftovers_do_not(tmp_path: Path) -> None:
    digest = keep(Uploads(tmp_path, 100, 100), b"picture")
    (tmp_path / ".ovseg-part-1").write_bytes(b"half")
    (tmp_path / "not-ours").write_bytes(b"x")
    again = Uploads(tmp_path, 100, 100)
    assert again.read(digest) == b"picture"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([digest, "not-ours"])


def test_a_damaged_upload_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path, 100, 100)
    digest = keep(uploads, b"picture")
    (tmp_path / digest).write_bytes(b"pictura")
    assert uploads.read(digest) is None
    assert not uploads.has(digest)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40)), max_size=40))
def test_memory_stays_within_its_bound(put: list[tuple[str, int]]) -> None:
    memory = Memory[str](100)
    for name, cost in put:
        memory.put(name, name, cost)
        assert memory.get(name) == name
        assert sum(cost for _, cost in memory._kept.values()) == memory._used <= 100


def headers(value: bytes) -> Headers:
    return Headers(raw=[(b"authorization", value)])


def test_each_token_opens_and_nothing_else_does() -> None:
    guard = BearerGuard(TOKENS, "0.0.0.0")  # noqa: S104
    for token in TOKENS:
        assert guard.admits("/annotate", headers(f"Bearer {token}".encode()))
    for value in (b"", b"Bearer", b"Bearer ", b"Basic first-token-of-all", b"Bearer \xff\xfe"):
        assert not guard.admits("/annotate", headers(value))
    assert guard.admits("/health", Headers())


@given(st.binary(max_size=40))
def test_no_bytes_in_the_header_break_the_guard(value: bytes) -> None:
    assert not BearerGuard(TOKENS, "127.0.0.1").admits("/model", headers(b"Bearer " + value))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "gpu-box"])  # noqa: S104
def test_other_machines_are_not_served_without_a_token(host: str) -> None:
    with pytest.raises(OptionError, match="--token-file"):
        BearerGuard((), host)


def test_tokens_are_read_line_by_line_and_short_ones_refused(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# ada\nfirst-token-of-all\n\n second-token-of-all \n")
    assert read_tokens(file) == TOKENS
    for content, told in (("short", "16 or more"), ("# none\n", "holds no token")):
        file.write_text(content)
        with pytest.raises(OptionError, match=told):
            read_tokens(file)
    with pytest.raises(OptionError, match="cannot read"):
        read_tokens(tmp_path / "none")


@pytest.mark.parametrize(
    "changes",
    [{"port": 70000}, {"workers": 0}, {"image_bytes": -1}, {"client_gigabytes": float("nan")}],
)
def test_what_cannot_be_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(changes))):
        options_in(tmp_path, **changes)


def test_every_option_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/server.md").read_text(encoding="utf-8")
    for field in fields(ServeOptions):
        assert f"`--{field.name.replace('_', '-')}`" in text
