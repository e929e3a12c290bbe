"""From one bucket into another on a cluster of two machines, one of which is lost in the middle."""

from __future__ import annotations

import json
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from buckets import Bucket, opened_bucket
from PIL import Image as PillowImage

from ovseg_annotate.annotation import Annotation
from ovseg_annotate.datasets.scenes import SceneRules, draw_scene
from ovseg_annotate.formats import native
from ovseg_annotate.geometry import Size
from ovseg_annotate.lake import LakeReader
from ovseg_annotate.session import open_session
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
    """Two machines of one CPU each, as `ray start` starts them."""

    def __init__(self) -> None:
        self._port, self._clients = free_port(), free_port()
        self.address = f"ray://127.0.0.1:{self._clients}"

    def start(self, temporary: str) -> None:
        ports = [f"--port={self._port}", f"--ray-client-server-port={self._clients}"]
        self._start("--head", *ports, "--include-dashboard=false", f"--temp-dir={temporary}")
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


def killed_with_children(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        for each in (*process.children(recursive=True), process):
            with suppress(psutil.NoSuchProcess):
                each.kill()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


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
    cluster = Cluster()
    with TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as short:  # of its sockets
        try:
            cluster.start(short)
            yield cluster
        finally:
            cluster.end()


def command(cluster: Cluster) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "ovseg_annotate.cli", "annotate", "s3://ours/photos/"]
    arguments += ["--prompts", str(WORDS), "--precision", "float32", "--json"]
    arguments += ["--fleet", cluster.address, "--workers", "2", "--part-pictures", "1"]
    return subprocess.Popen(
        [*arguments, "--out", "s3://ours/labels/"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_machine_that_is_lost_costs_nothing(
    cluster: Cluster, bucket: Bucket, tmp_path: Path
) -> None:
    for number in range(COUNT):
        scene = draw_scene(SceneRules(size=Size(96, 112)), number)
        PillowImage.fromarray(scene.pixels).save(tmp_path / f"{number:02}.png")
        bucket.files.put(str(tmp_path / f"{number:02}.png"), f"ours/photos/deep ü/{number:02}.png")

    with command(cluster) as started:
        assert started.stdout is not None
        line = started.stdout.readline()
        assert line, started.communicate()[1]
        first = json.loads(line)
        assert first["state"] == "annotated"
        cluster.lose_the_second()
        data, talk = started.communicate(timeout=300)
    assert started.returncode == 0, talk
    told = [first, *map(json.loads, data.splitlines())]
    names = [each["picture"] for each in told if "picture" in each]
    assert sorted(names) == [f"deep ü/{number:02}.png" for number in range(COUNT)]

    with open_session(device="cpu", precision="float32") as session:
        outcomes = session.annotate_many(sorted(tmp_path.glob("*.png")), WORDS)
        expected = [as_record(each.annotation, f"deep ü/{each.path.name}") for each in outcomes]
    found = LakeReader("s3://ours/labels").images()
    assert [native.to_bytes(image, native.Kind.SUGGESTION) for image in found] == expected


def as_record(annotation: Annotation | None, name: str) -> bytes:
    assert annotation is not None
    return native.to_bytes(annotation.annotated_image(name), native.Kind.SUGGESTION)
