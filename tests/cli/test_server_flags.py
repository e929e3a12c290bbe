"""`--server` of annotate, queue and learn, with a server in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image as Pillow
from served import Served, served
from vector_engine import VectorEngine

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.cli.annotate import RunOptions, annotate
from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.queue import DeviceOptions, QueueOptions, queue_with
from ovseg_annotate.cli.serve import serve
from ovseg_annotate.cli.sessions import (
    RemoteOptions,
    SessionOptions,
    chosen_session,
    same_session,
)
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.errors import OptionError
from ovseg_annotate.fleet.options import FleetOptions
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.regions import RegionOptions
from ovseg_annotate.server.settings import ServeOptions


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(VectorEngine(), tmp_path) as found:
        yield found


@pytest.fixture
def remote(server: Served) -> RemoteOptions:
    return RemoteOptions(server=server.url)


@pytest.fixture
def run(tmp_path: Path, remote: RemoteOptions) -> Path:
    """A run folder of three pictures that the server annotated."""
    pictures, out = tmp_path / "pictures", tmp_path / "labels"
    pictures.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3)).astype(np.uint8)
        Pillow.fromarray(pixels).save(pictures / f"{number}.png")
    with pytest.raises(typer.Exit) as ended:
        annotate(
            [str(pictures)],
            RunOptions(prompts="red; blue", out=str(out)),
            SessionOptions(),
            remote,
            AnnotateOptions(),
            RegionOptions(),
            ReadingOptions(),
            FleetOptions(),
        )
    assert ended.value.exit_code == Exit.FINE
    return out


def test_a_run_folder_says_which_model_the_server_has(run: Path) -> None:
    settings = json.loads((run / "run.json").read_text())["settings"]
    assert (settings["model"], settings["engine_options"]) == ("fake@none", "")
    assert len(list((run / "records").rglob("*.json"))) == 3


def test_the_queue_looks_through_the_server(
    run: Path, remote: RemoteOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    opener = partial(same_session, remote)
    options = QueueOptions(next=2, json=True)
    with StopSignals() as stops:
        assert queue_with(opener, run, options, DeviceOptions(), stops) == Exit.FINE
    told = json.loads(capsys.readouterr().out)
    assert len(told["queue"]) == 2
    assert told["failed"] == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (SessionOptions(model="sclip@mini"), "runs fake@none, not sclip@mini"),
        (SessionOptions(device="cuda"), "--device is for the machine that annotates"),
        (SessionOptions(precision="float16"), "--precision is for"),
        (SessionOptions(cache="default"), "--cache is for"),
        (SessionOptions(engine_options=("sigma=3",)), "engine options none, not sigma=3"),
    ],
)
def test_what_only_the_server_can_do_is_refused(
    remote: RemoteOptions, options: SessionOptions, told: str
) -> None:
    with pytest.raises(OptionError, match=told):
        chosen_session(options, remote)


def test_a_version_is_for_clients_to_name() -> None:
    with pytest.raises(OptionError, match="start it with --model naclip@mini, and name"):
        serve(ServeOptions(), SessionOptions(model="naclip@mini+streets.lesson"))


def test_a_run_of_another_model_is_not_gone_on_with(remote: RemoteOptions) -> None:
    with pytest.raises(OptionError, match="the run was made with naclip@mini"):
        same_session(remote, SessionOptions())
