from __future__ import annotations

import hashlib
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from backbones.fake_hub import serving

from ovseg_annotate.backbones.hub import DownloadProgress, HuggingFaceHub
from ovseg_annotate.backbones.published import Published, find_published
from ovseg_annotate.errors import Cancelled, WeightsError

WANTED = find_published("ViT-B-16-quickgelu/openai")
SAFE, OTHER = (f"{WANTED.repository}/{file}" for file in WANTED.files)
LARGE = np.random.default_rng(0).bytes(6 << 20)  # several of the pieces that are told of


def fetch(endpoint: str, cache: Path, wanted: Published = WANTED) -> list[DownloadProgress]:
    told: list[DownloadProgress] = []
    HuggingFaceHub(endpoint, cache).fetch(wanted, offline=False, report=told.append)
    return told


def test_a_download_is_announced_with_size_place_and_licence(tmp_path: Path) -> None:
    with serving({SAFE: b"x" * 2_000_000}) as hub:
        told = fetch(hub.endpoint, tmp_path)
    first = told[0]
    assert (first.name, first.done, first.total) == (WANTED.name, 0, 2_000_000)
    assert first.source == SAFE
    assert first.licence == "MIT"
    assert first.destination.is_relative_to(tmp_path)
    assert "2 MB" in str(first)
    assert told[-1].done == 2_000_000


def test_what_is_in_the_cache_is_not_asked_for_again(tmp_path: Path) -> None:
    with serving({SAFE: b"weights"}) as hub:
        fetch(hub.endpoint, tmp_path)
    there = HuggingFaceHub(hub.endpoint, tmp_path).fetch(WANTED, offline=True, report=None)
    assert there.read_bytes() == b"weights"
    assert [name for name, _ in hub.requests] == [SAFE]


def test_the_other_file_is_taken_where_there_is_no_safetensors(tmp_path: Path) -> None:
    with serving({OTHER: b"pickled"}) as hub:
        path = HuggingFaceHub(hub.endpoint, tmp_path).fetch(WANTED, offline=False, report=None)
    assert path.name == "open_clip_pytorch_model.bin"


def test_a_download_that_was_cancelled_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def cancel_half_way(progress: DownloadProgress) -> None:
        if progress.done > len(LARGE) // 2:
            raise Cancelled("enough")

    with serving({SAFE: LARGE}) as hub:
        client = HuggingFaceHub(hub.endpoint, tmp_path)
        with pytest.raises(Cancelled):
            client.fetch(WANTED, offline=False, report=cancel_half_way)
        assert client.cached(WANTED) is None
        told: list[DownloadProgress] = []
        path = client.fetch(WANTED, offline=False, report=told.append)
    (_, first), (_, second) = hub.requests
    assert first is None
    assert second is not None
    assert int(second.removeprefix("bytes=").removesuffix("-")) > len(LARGE) // 2
    assert [progress.done for progress in told[1:]] == sorted(
        progress.done for progress in told[1:]
    )
    assert told[-1].done == len(LARGE)
    assert path.read_bytes() == LARGE


def test_a_connection_that_breaks_is_opened_again_for_the_rest(tmp_path: Path) -> None:
    with serving({SAFE: LARGE}) as hub:
        hub.breaks_after = [len(LARGE) // 3, len(LARGE) // 3]
        path = HuggingFaceHub(hub.endpoint, tmp_path).fetch(WANTED, offline=False, report=None)
    assert path.read_bytes() == LARGE
    assert len(hub.requests) == 3


def test_a_server_that_sends_everything_again_does_not_spoil_the_file(tmp_path: Path) -> None:
    with serving({SAFE: LARGE}) as hub:
        hub.breaks_after = [len(LARGE) // 3]
        hub.knows_ranges = False
        path = HuggingFaceHub(hub.endpoint, tmp_path).fetch(WANTED, offline=False, report=None)
    assert path.read_bytes() == LARGE


def test_a_file_that_is_not_what_the_hub_names_is_refused_and_forgotten(tmp_path: Path) -> None:
    with serving({SAFE: b"something else"}) as hub:
        hub.named_digests[SAFE] = hashlib.sha256(b"weights").hexdigest()
        with pytest.raises(WeightsError, match=r"arrived damaged.*ovseg models --fetch .* again"):
            fetch(hub.endpoint, tmp_path)
        hub.files[SAFE] = b"weights"
        fetch(hub.endpoint, tmp_path)


def test_a_file_that_was_damaged_in_the_cache_is_refused(tmp_path: Path) -> None:
    with serving({SAFE: b"weights"}) as hub:
        client = HuggingFaceHub(hub.endpoint, tmp_path)
        path = client.fetch(WANTED, offline=False, report=None)
    path.resolve().write_bytes(b"weighty")
    with pytest.raises(WeightsError, match="is damaged"):
        client.fetch(WANTED, offline=True, report=None)


def test_offline_and_not_here_names_the_command_and_the_bundled_towers(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as refusal:
        HuggingFaceHub(cache=tmp_path).fetch(WANTED, offline=True, report=None)
    message = str(refusal.value)
    assert f"run `ovseg models --fetch {WANTED.name}`" in message
    assert "use a bundled tower" in message


def test_a_server_that_does_not_answer_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound, so that nobody else listens there
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(WeightsError, match=r"could not be downloaded.*ovseg models --fetch"):
            fetch(endpoint, tmp_path)


def test_a_repository_without_weights_is_named(tmp_path: Path) -> None:
    with serving({}) as hub, pytest.raises(WeightsError, match=r"has none of open_clip_model"):
        fetch(hub.endpoint, tmp_path)


def test_a_cache_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    blocked = tmp_path / "cache"
    blocked.write_text("a file where the folder should be")
    with (
        serving({SAFE: b"weights"}) as hub,
        pytest.raises(WeightsError, match="could not be stored"),
    ):
        fetch(hub.endpoint, blocked)


def test_an_unknown_size_is_said() -> None:
    progress = DownloadProgress("a/b", "c/d", Path("e"), "MIT", 0, None)
    assert "unknown size" in str(progress)
    assert "600 MB" in str(replace(progress, total=600_000_000))
