"""From one bucket into another on a cluster whose machines are lost in the middle."""

from __future__ import annotations

import json
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest
from annotated_samples import as_record
from buckets import Bucket, opened_bucket
from loopback import free_port
from one_machine import records_of_one_machine
from PIL import Image as PillowImage
from waiting import wait_until

from ovseg_annotate.datasets.scenes import SceneRules, draw_scene
from ovseg_annotate.geometry import Size
from ovseg_annotate.lake import LakeReader
from ovseg_annotate.vocabulary import Vocabulary

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform == "win32", reason="clusters of Ray are for POSIX systems"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Ray's and the bucket's connections
]

ROOT = Path(__file__).parents[2]
COUNT = 12
WORDS = Vocabulary.parse("disc; square; -ground")


class Cluster:
    """Machines of one CPU each, as `ray start` starts them."""

    def __init__(self) -> None:
        self._port, self._clients = free_port(), free_port()
        self.address = f"ray://127.0.0.1:{self._clients}"

    def start(self, temporary: str) -> None:
        ports = [f"--port={self._port}", f"--ray-client-server-port={self._clients}"]
        self._start("--head", *ports, "--include-dashboard=false", f"--temp-dir={temporary}")
        # Commands give up after half a minute, and a busy machine may need longer to listen.
        wait_until(partial(listens, self._clients), 120)

    def start_the_second(self) -> None:
        self._start(f"--address=127.0.0.1:{self._port}")

    def lose_the_second(self) -> None:
        """All of it at once, as when the power goes."""
        raylets = (process for process in self._processes() if process.name() == "raylet")
        first, second = sorted(raylets, key=psutil.Process.create_time)
        killed_with_children(second)
        assert first.is_running()

    def end(self) -> None:
        """`ray stop` would end every other cluster of this machine too."""
        for process in self._processes():
            killed_with_children(process)

    def _processes(self) -> list[psutil.Process]:
        """Those that were told where the head is."""
        head = re.compile(rf"(:|--gcs_server_port=){self._port}\b")
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if head.search(" ".join(process.info["cmdline"] or ()))
        ]

    def _start(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *arguments]
        command += ["--node-ip-address=127.0.0.1", "--num-cpus=1", "--disable-usage-stats"]
        subprocess.run(
            [*command, "--object-store-memory=100000000"],
            check=True,
            timeout=120,
            stdout=subprocess.DEVNULL,
        )


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def killed_with_children(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        for each in (*process.children(recursive=True), process):
            with suppress(psutil.NoSuchProcess):
                each.kill()


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with opened_bucket() as bucket:
        yield bucket


@pytest.fixture
def cluster(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    assert bucket.process.poll() is None  # its address is in the environment
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    # A machine that is busy with other tests takes long to start what a command joins.
    monkeypatch.setenv("RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S", "120")
    monkeypatch.setenv("RAY_CLIENT_RECONNECT_GRACE_PERIOD", "10")
    cluster = Cluster()
    with TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as short:  # of its sockets
        try:
            cluster.start(short)
            yield cluster
        finally:
            cluster.end()


@contextmanager
def command(cluster: Cluster, *, workers: int) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-m", "ovseg_annotate.cli", "annotate", "s3://ours/photos/"]
    arguments += ["--prompts", str(WORDS), "--precision", "float32", "--json"]
    arguments += ["--fleet", cluster.address, "--workers", str(workers), "--part-pictures", "1"]
    started = subprocess.Popen(
        [*arguments, "--out", "s3://ours/labels/"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process = psutil.Process(started.pid)
    with started:
        try:
            yield started
        finally:
            killed_with_children(process)


def first_told(started: subprocess.Popen[str]) -> dict[str, Any]:
    assert started.stdout is not None
    line = started.stdout.readline()
    assert line, started.communicate()[1]
    told: dict[str, Any] = json.loads(line)
    assert told["state"] == "annotated"
    return told


@pytest.fixture
def pictures(bucket: Bucket, tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number:02}.png" for number in range(COUNT)]
    for number, path in enumerate(paths):
        scene = draw_scene(SceneRules(size=Size(96, 112)), number)
        PillowImage.fromarray(scene.pixels).save(path)
        bucket.files.put(str(path), f"ours/photos/deep ü/{path.name}")
    return paths


def test_a_machine_that_is_lost_costs_nothing(cluster: Cluster, pictures: list[Path]) -> None:
    cluster.start_the_second()
    with command(cluster, workers=2) as started:
        first = first_told(started)
        cluster.lose_the_second()
        data, talk = started.communicate(timeout=300)
    assert started.returncode == 0, talk
    told = [first, *map(json.loads, data.splitlines())]
    names = [each["picture"] for each in told if "picture" in each]
    assert sorted(names) == [f"deep ü/{number:02}.png" for number in range(COUNT)]

    expected = records_of_one_machine(pictures, WORDS)
    assert len(expected) == COUNT
    found = [
        replace(image, name=image.name.removeprefix("deep ü/"))
        for image in LakeReader("s3://ours/labels").images()
    ]
    assert [as_record(image) for image in found] == list(expected.values())


def test_a_head_that_is_lost_ends_the_command_with_a_reason(
    cluster: Cluster, pictures: list[Path]
) -> None:
    with command(cluster, workers=1) as started:
        first = first_told(started)
        cluster.end()
        data, talk = started.communicate(timeout=120)
    assert started.returncode == 3, talk
    assert "is lost" in talk
    assert "the same command goes on" in talk
    assert "Traceback" not in talk
    names = {first["picture"], *(json.loads(line)["picture"] for line in data.splitlines())}
    kept = {image.name for image in LakeReader("s3://ours/labels").images()}
    assert names <= kept < {f"deep ü/{path.name}" for path in pictures}
