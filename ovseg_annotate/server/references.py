"""Pictures that a client names instead of sending: of allowed servers and of allowed folders.

Whoever may ask chooses which picture is read, never which server is asked or which disk is read.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import httpx2

from ovseg_annotate.errors import OptionError
from ovseg_annotate.web.addresses import Origin, origins_of_host, parsed_url
from ovseg_annotate.web.downloads import (
    DownloadLimits,
    ImageRefused,
    ImageUnavailable,
    get,
    shown,
)

_LONGEST = 8192  # characters


class References:
    """Reads what is allowed; safe to share between threads."""

    def __init__(self, folders: Sequence[str], hosts: Sequence[str], most_bytes: int) -> None:
        self._folders = tuple(_resolved(folder) for folder in folders)
        self._allowed = {origin for host in hosts for origin in origins_of_host(host)}
        self._limits = DownloadLimits(bytes=most_bytes, bytes_setting="--image-bytes")
        # No proxy of the environment: it would look names up for itself.
        self._client = httpx2.Client(timeout=self._limits.timeout, trust_env=False)

    def read(self, reference: str) -> bytes:
        """The file behind an address or a path; raises ImageRefused or ImageUnavailable."""
        if len(reference) > _LONGEST:
            raise ImageRefused(
                f"a reference of {len(reference):,} characters; at most {_LONGEST:,} are read"
            )
        if reference.startswith(("http://", "https://")):
            return self._fetched(reference)
        if "://" in reference:
            raise ImageRefused(
                f"{reference.partition('://')[0]}:// is not fetched by this server; name an "
                "http(s) address of an allowed host, or send the picture with PUT"
            )
        return self._file(reference)

    def close(self) -> None:
        self._client.close()

    def _fetched(self, reference: str) -> bytes:
        try:
            url = parsed_url(reference).copy_with(fragment=None)
        except ValueError as error:
            raise ImageRefused(f"this is no address of a picture: {error}") from error
        if Origin.of(url) not in self._allowed:
            allowed = ", ".join(sorted(map(str, self._allowed))) or "none"
            raise ImageRefused(
                f"pictures are not fetched from {Origin.of(url)}; allowed: {allowed}; the server "
                "is told more with --image-hosts"
            )
        answer = get(self._client, httpx2.Request("GET", url), self._limits)
        if httpx2.codes.is_redirect(answer.status):
            raise ImageRefused(
                f"{shown(url)} redirects elsewhere, and redirects are not followed; name the "
                "picture's own address"
            )
        if answer.status != httpx2.codes.OK:
            raise ImageUnavailable(f"{shown(url)} answered {answer.status}")
        return answer.content

    def _file(self, reference: str) -> bytes:
        refusal = ImageRefused(
            f"{reference[:200]!r} is no picture in a folder that this server was given with "
            "--folder; send the picture with PUT instead"
        )
        try:
            path = Path(reference).resolve(strict=True)
            if not any(path.is_relative_to(folder) for folder in self._folders):
                raise refusal
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):
                raise refusal
            if found.st_size > self._limits.bytes:
                raise ImageRefused(
                    f"{reference[:200]!r} has more than the {self._limits.bytes:,} bytes that "
                    "are read"
                )
            return path.read_bytes()
        except (OSError, ValueError, RuntimeError) as error:  # also NUL bytes, circles of links
            # The same words whether it is there or not: who may not read learns nothing.
            raise refusal from error


def _resolved(folder: str) -> Path:
    try:
        return Path(folder).expanduser().resolve(strict=True)
    except OSError as error:
        raise OptionError(f"--folder {folder}: {error.strerror or error}") from error
