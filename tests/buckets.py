"""A bucket of a real S3 server on the loopback interface."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from second_environment import second_python

_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Bucket:
    """`s3://ours`, for this process and those that it starts."""

    process: subprocess.Popen[str]
    files: Any  # of s3fs, which has no types


@contextmanager
def opened_bucket() -> Iterator[Bucket]:
    """The server lives in the environment of Label Studio, with whose packages it goes."""
    from s3fs import S3FileSystem  # noqa: PLC0415  few tests need it

    server = subprocess.Popen(
        [str(second_python()), "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with server, pytest.MonkeyPatch.context() as patch:
        assert server.stdout is not None
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.stdout.readline().strip()}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "of-no-use-elsewhere")
        S3FileSystem.clear_instance_cache()
        files = S3FileSystem()
        files.mkdir("ours")
        try:
            yield Bucket(server, files)
        finally:
            server.kill()
            S3FileSystem.clear_instance_cache()
