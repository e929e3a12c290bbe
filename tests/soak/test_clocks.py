"""Clocks that are wrong or jump.

What must hold: nothing is lost, taken for newer than it is or waited for without end. Waiting and
expiry go by the monotonic clock; what is left of the wall clock is looked at here.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx2
import pytest
import torch
from annotated_samples import annotated, fingerprint, picture, settings

from ovseg_annotate.feature_store import FeatureStore, key_of
from ovseg_annotate.run_folder import RunFolder
from ovseg_annotate.web.retries import Patience, asked_wait

FAR = (0.0, 1e9, 4e9)  # s since 1970: long ago, some time ago, in the next century
YEARS = timedelta(days=5000)


def answer(server_now: datetime, until: datetime, *, dated: bool = True) -> httpx2.Response:
    headers = {"Retry-After": format_datetime(until, usegmt=True)}
    if dated:
        headers["Date"] = format_datetime(server_now, usegmt=True)
    return httpx2.Response(503, headers=headers)


@pytest.mark.parametrize("jump", [-YEARS, timedelta(), YEARS])
def test_a_date_to_come_back_at_is_read_by_the_clock_that_said_it(jump: timedelta) -> None:
    now = datetime.now(UTC) + jump
    assert asked_wait(answer(now, now + timedelta(seconds=20))) == pytest.approx(20, abs=1)
    assert asked_wait(answer(now, now - timedelta(seconds=20))) == 0


def test_a_date_without_a_clock_is_never_waited_for_long() -> None:
    asked = asked_wait(answer(datetime.now(UTC), datetime.now(UTC) + YEARS, dated=False))
    assert Patience().wait(1, asked, 0.5) <= Patience().longest_asked


@pytest.mark.parametrize("time", FAR)
def test_a_picture_whose_date_jumped_is_the_same_picture(tmp_path: Path, time: float) -> None:
    taken = picture(tmp_path / "a.png")
    with RunFolder(tmp_path / "run") as run:
        run.adopt(settings(), [taken], replace=False)
        run.save(taken, fingerprint(taken), annotated("a.png"))
        os.utime(taken.path, (time, time))
        assert run.plan([taken]).finished == (taken,)


@pytest.mark.parametrize("time", FAR)
def test_kept_features_of_any_date_are_found_and_make_room(tmp_path: Path, time: float) -> None:
    entry = {"tokens": torch.ones(256)}
    store = FeatureStore(memory_bytes=0, folder=tmp_path, disk_bytes=8 * 1200)
    for number in range(30):
        store.put(key_of(str(number)), entry)
        for path in tmp_path.rglob("*.features"):
            if number % 3 == 0:
                os.utime(path, (time, time))
        assert store.disk_use().bytes <= 8 * 1200
    # Which entries went is a matter of dates; that there are some, and that they are right, is not.
    found = [store.get(key_of(str(number))) for number in range(30)]
    assert any(each is not None for each in found)
    assert all(torch.equal(each["tokens"], entry["tokens"]) for each in found if each is not None)
