"""Weights from the Hugging Face Hub, in its usual cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import httpx2
import huggingface_hub
from filelock import FileLock
from huggingface_hub import constants, errors
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, not declared
    build_hf_headers,
    hf_raise_for_status,
)

from ovseg_annotate.backbones.digests import is_sha256, sha256_of
from ovseg_annotate.backbones.folder import bundled_names
from ovseg_annotate.backbones.published import Published
from ovseg_annotate.errors import WeightsError

_MEGABYTE = 1e6
_PIECE = 1 << 20  # bytes written, and told of, at a time


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """How far a download is; the first one, with nothing done, announces it."""

    name: str  # CONFIGURATION/TAG
    source: str  # repository and file
    destination: Path  # folder it goes to
    licence: str
    done: int  # bytes
    total: int | None  # bytes; None: the server does not say

    def __str__(self) -> str:
        size = "unknown size" if self.total is None else f"{self.total / _MEGABYTE:.0f} MB"
        return f"{self.name}: {self.source}, {size}, licence {self.licence}, to {self.destination}"


Report = Callable[[DownloadProgress], None]


class Hub(Protocol):
    """Where published weights come from."""

    def fetch(self, wanted: Published, *, offline: bool, report: Report | None) -> Path:
        """The weights file, from the cache or downloaded and checked."""


@dataclass(frozen=True, slots=True)
class HuggingFaceHub:
    """The Hub, with its usual cache.

    The bytes are fetched here because the hub's own client throws a half-finished file away when
    it is stopped; the file is then handed to that client, which knows how its cache is laid out.
    """

    endpoint: str | None = None  # None: the one that huggingface_hub is set to
    cache: Path = Path(constants.HF_HUB_CACHE)

    def cached(self, wanted: Published) -> Path | None:
        for file in wanted.files:
            path = huggingface_hub.try_to_load_from_cache(
                wanted.repository, file, cache_dir=self.cache
            )
            if isinstance(path, str):
                return Path(path)
        return None

    def fetch(self, wanted: Published, *, offline: bool, report: Report | None) -> Path:
        found = self.cached(wanted)
        if found is not None:
            return _checked(found, wanted)
        if offline or huggingface_hub.is_offline_mode():
            raise WeightsError(f"{wanted.name} is not here and this is offline; {_advice(wanted)}")
        for file in wanted.files:
            try:
                return self._downloaded(wanted, file, report)
            except errors.EntryNotFoundError:
                continue  # the other file of the repository
            except (errors.HfHubHTTPError, httpx2.HTTPError) as error:
                raise WeightsError(
                    f"{wanted.name} could not be downloaded ({error}); {_advice(wanted)}"
                ) from error
            except OSError as error:
                raise WeightsError(
                    f"{wanted.name} could not be stored ({error}); make room, or set HF_HOME to a "
                    "folder that can be written, and try again"
                ) from error
        raise WeightsError(
            f"{wanted.name}: the repository {wanted.repository} has none of "
            f"{', '.join(wanted.files)}; choose other weights"
        )

    def _downloaded(self, wanted: Published, file: str, report: Report | None) -> Path:
        url = huggingface_hub.hf_hub_url(wanted.repository, file, endpoint=self.endpoint)
        about = huggingface_hub.get_hf_file_metadata(url)
        blobs = (
            self.cache / repo_folder_name(repo_id=wanted.repository, repo_type="model") / "blobs"
        )
        blob = blobs / str(about.etag)
        progress = DownloadProgress(
            name=wanted.name,
            source=f"{wanted.repository}/{file}",
            destination=blobs,
            licence=wanted.licence,
            done=0,
            total=about.size,
        )
        tell = report or _say_nothing
        tell(progress)
        blobs.mkdir(parents=True, exist_ok=True)
        with FileLock(blob.with_name(f"{blob.name}.lock")):  # another process may be at it
            if not blob.exists():
                partial = blob.with_name(f"{blob.name}.incomplete")
                _fetch_rest(url, partial, progress, tell)
                if _is_damaged(partial, blob.name):
                    partial.unlink()  # there is nothing to go on from
                    raise WeightsError(
                        f"{wanted.name} arrived damaged: its sha256 is not {blob.name}, as the hub "
                        f"names it; {_command(wanted)} again"
                    )
                partial.replace(blob)
        return Path(
            huggingface_hub.hf_hub_download(
                wanted.repository, file, cache_dir=self.cache, endpoint=self.endpoint
            )
        )


def _fetch_rest(url: str, partial: Path, progress: DownloadProgress, tell: Report) -> None:
    """Append what is missing; a broken connection is opened again while that brings something."""
    while True:
        before = partial.stat().st_size if partial.exists() else 0
        if before == progress.total:
            return
        if progress.total is not None and before > progress.total:  # of another version
            partial.unlink()
            before = 0
        try:
            _fetch_once(url, partial, before, lambda done: tell(replace(progress, done=done)))
        except httpx2.TransportError:
            if partial.stat().st_size == before:
                raise
        else:
            return


def _fetch_once(url: str, partial: Path, start: int, tell: Callable[[int], None]) -> None:
    headers = build_hf_headers()
    if start:
        headers["Range"] = f"bytes={start}-"
    request = huggingface_hub.get_session().stream(
        "GET",
        url,
        headers=headers,
        follow_redirects=True,
        timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
    )
    with request as response:
        hf_raise_for_status(response)
        goes_on = response.status_code == httpx2.codes.PARTIAL_CONTENT
        done = start if goes_on else 0
        with partial.open("ab" if goes_on else "wb") as file:
            for piece in response.iter_bytes(_PIECE):
                file.write(piece)
                done += len(piece)
                tell(done)


def _say_nothing(progress: DownloadProgress) -> None:
    del progress


def _checked(file: Path, wanted: Published) -> Path:
    stored = file.resolve()  # a link in the cache
    if _is_damaged(stored, stored.name):
        raise WeightsError(
            f"{stored} of {wanted.name} is damaged: its sha256 is not its name; delete it, then "
            f"{_command(wanted)}"
        )
    return file


def _is_damaged(file: Path, named: str) -> bool:
    """The hub names large files by their sha256; small ones, by something else, pass."""
    return is_sha256(named) and sha256_of(file) != named


def _command(wanted: Published) -> str:
    return f"run `ovseg models --fetch {wanted.name}`"


def _advice(wanted: Published) -> str:
    bundled = ", ".join(bundled_names()) or "none in this installation"
    return f"with a connection {_command(wanted)}; without one use a bundled tower: {bundled}"
