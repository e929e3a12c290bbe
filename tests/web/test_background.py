from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_engine import FakeEngine

from ovseg_annotate.backbones.weights import DownloadProgress
from ovseg_annotate.devices import placement
from ovseg_annotate.errors import ModelError, WeightsError
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.session import Session
from ovseg_annotate.web.background import BackgroundSession, StillLoading

Told = Callable[[DownloadProgress], None]


def fake_session() -> Session:
    where = placement("cpu", "float32", half_precision=False)
    return Session(FakeEngine(), where, FeatureStore())


def test_a_request_that_comes_early_waits_for_the_weights() -> None:
    go_on = threading.Event()

    def opening(_: Told) -> Session:
        assert go_on.wait(10)
        return fake_session()

    sessions = BackgroundSession("fake@none", opening, patience=10)
    sessions.start()
    assert str(sessions.status) == "loading"
    assert sessions.opened is None
    threading.Timer(0.05, go_on.set).start()
    assert sessions.session().engine.card.name == "fake"
    assert str(sessions.status) == "ready"
    assert sessions.device_bytes() is None  # nobody counts on the CPU
    sessions.close()


def test_the_wait_ends_and_tells_how_far_the_download_is() -> None:
    told, go_on = threading.Event(), threading.Event()

    def opening(tell: Told) -> Session:
        tell(DownloadProgress("big", "hub/big", Path("cache"), "MIT", 120_000_000, 598_000_000))
        told.set()
        assert go_on.wait(10)
        return fake_session()

    sessions = BackgroundSession("naclip@big", opening, patience=0)
    sessions.start()
    assert told.wait(10)
    with pytest.raises(StillLoading, match=r"naclip@big is still loading \(120 of 598 MB"):
        sessions.session()
    assert sessions.status.detail == "120 of 598 MB are downloaded"
    go_on.set()


def test_weights_that_are_missing_are_told_to_everybody_who_asks() -> None:
    def opening(_: Told) -> Session:
        raise WeightsError("big is not here and this is offline; run ovseg models fetch big")

    sessions = BackgroundSession("naclip@big", opening, patience=10)
    sessions.start()
    for _ in range(2):
        with pytest.raises(ModelError, match="run ovseg models fetch big"):
            sessions.session()
    assert str(sessions.status).startswith("failed: big is not here")


def test_a_defect_while_loading_is_a_failure_without_details(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def opening(_: Told) -> Session:
        raise RuntimeError("driver at 0xdeadbeef")

    sessions = BackgroundSession("naclip@big", opening, patience=10)
    sessions.start()
    with pytest.raises(ModelError, match="RuntimeError; the log of the server has more"):
        sessions.session()
    assert "0xdeadbeef" not in str(sessions.status)
    assert "0xdeadbeef" in caplog.text
