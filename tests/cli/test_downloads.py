"""Downloads are announced, followed and stopped."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from ovseg_annotate.backbones.weights import DownloadProgress
from ovseg_annotate.cli.downloads import DownloadTalk
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.errors import Cancelled


def progress(done: int, total: int | None = 600_000_000) -> DownloadProgress:
    return DownloadProgress("ViT/tag", "org/repo: file", Path("/cache"), "MIT", done, total)


def test_a_download_is_announced_with_size_place_and_licence_before_it_starts() -> None:
    file = io.StringIO()
    DownloadTalk(Talk(Console(file=file, width=200)))(progress(0))
    for fact in ("ViT/tag", "600 MB", "/cache", "MIT"):
        assert fact in file.getvalue()


def test_the_end_of_a_download_is_told_with_its_rate() -> None:
    file = io.StringIO()
    talk = DownloadTalk(Talk(Console(file=file, width=200)))
    talk(progress(0))
    talk(progress(600_000_000))
    assert "100%" in file.getvalue()
    assert "MB/s" in file.getvalue()


def test_a_download_of_unknown_size_is_told_without_a_share() -> None:
    file = io.StringIO()
    talk = DownloadTalk(Talk(Console(file=file, width=200)))
    talk(progress(0, None))
    assert "unknown size" in file.getvalue()


def test_a_download_stops_when_it_is_asked_to() -> None:
    talk = DownloadTalk(Talk(Console(file=io.StringIO())), stop=lambda: True)
    with pytest.raises(Cancelled):
        talk(progress(1))
