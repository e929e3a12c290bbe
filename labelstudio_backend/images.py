"""Pictures of tasks: uploads, local files, allowed hosts, and buckets behind Label Studio.

Task data is written by whoever may add a task. It chooses which picture is read, never which
server is asked with our token, which disk is read, or how much of anything is used.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import httpx2

from labelstudio_backend.settings import Settings
from labelstudio_backend.tokens import Tokens
from ovseg_annotate.web.addresses import (
    Origin,
    origins_of_host,
    parsed_url,
    public_address,
    server_of,
)
from ovseg_annotate.web.downloads import (
    Answer,
    DownloadLimits,
    ImageRefused,
    ImageUnavailable,
    get,
    shown,
)
from ovseg_annotate.web.fetched import Fetched, FetchedPictures

__all__ = ["ImageRefused", "ImageRules", "ImageUnavailable", "LabelStudioImages"]

_BUCKETS = ("s3://", "gs://", "azure-blob://")
_PICTURE = re.compile(r"/data/upload/.+|/data/local-files/?|/tasks/\d+/(presign|resolve)/?")
_LONGEST_REFERENCE = 8192


@dataclass(frozen=True, slots=True)
class ImageRules:
    """From where pictures may come, and how large they may be."""

    url: str  # of Label Studio, as it is reached from here
    public_url: str | None = None  # the same server as tasks name it
    hosts: tuple[str, ...] = ()  # further ones: host or host:port
    limits: DownloadLimits = field(default_factory=DownloadLimits)


class LabelStudioImages:
    """Fetches from one Label Studio server and from allowed hosts; safe to share between threads.

    Implements `TaskImages` of `suggester`.
    """

    def __init__(
        self,
        rules: ImageRules,
        tokens: Tokens,
        kept: FetchedPictures | None = None,
        address_of: Callable[[Origin], str] = public_address,
    ) -> None:
        self._server = server_of(rules.url, "label_studio_url")
        self._names = {Origin.of(self._server)}
        self._prefixes = {_prefix_of(self._server)}
        if rules.public_url is not None:
            public = server_of(rules.public_url, "label_studio_public_url")
            self._names.add(Origin.of(public))
            self._prefixes.add(_prefix_of(public))
        self._allowed = {origin for host in rules.hosts for origin in origins_of_host(host)}
        self._tokens = tokens
        self._limits = rules.limits
        self._address_of = address_of
        self.kept = kept or FetchedPictures()
        self._client = httpx2.Client(timeout=self._limits.timeout)
        # Connections to pinned addresses are not kept: the next host at the same address is
        # another one. A proxy would look the name up again.
        self._strangers = httpx2.Client(
            timeout=self._limits.timeout,
            trust_env=False,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    @classmethod
    def of(cls, settings: Settings) -> LabelStudioImages:
        """As the settings allow, with their token."""
        rules = ImageRules(
            settings.label_studio_url,
            settings.label_studio_public_url,
            settings.image_hosts,
            DownloadLimits(bytes=settings.image_bytes, bytes_setting="OVSEG_IMAGE_BYTES"),
        )
        return cls(rules, Tokens(settings.label_studio_url, settings.api_key))

    def fetch(self, reference: str, task_id: int | None) -> bytes:
        """The file that task data names; raises ImageRefused, ImageUnavailable or TokenError."""
        if len(reference) > _LONGEST_REFERENCE:
            raise ImageRefused(
                f"a reference of {len(reference):,} characters is no address of a picture; "
                f"at most {_LONGEST_REFERENCE:,} are read"
            )
        address = self._wanted(reference, task_id)

        def fetched(known: Fetched | None) -> Fetched | None:
            validators = {} if known is None else known.validators
            if Origin.of(address) == Origin.of(self._server):
                answer = self._from_server(address, validators)
            else:
                answer = get(self._client, _request(address, validators), self._limits)
            return _fetched(answer, address)

        return self.kept.get(str(address), fetched)

    def close(self) -> None:
        self._client.close()
        self._strangers.close()
        self._tokens.close()

    def _wanted(self, reference: str, task_id: int | None) -> httpx2.URL:
        """What to ask for; raises ImageRefused for everything that is not foreseen."""
        if reference.startswith(_BUCKETS):
            return self._presign(reference, task_id)
        if reference.startswith("/") and not reference.startswith("//"):
            return self._of_server(self._read(f"{Origin.of(self._server)}{reference}"))
        url = self._read(reference)
        if Origin.of(url) in self._names:
            return self._of_server(url)
        if Origin.of(url) in self._allowed:
            return url.copy_with(fragment=None)
        allowed = ", ".join(sorted(map(str, self._names | self._allowed)))
        raise ImageRefused(
            f"{shown(url)}: pictures are not fetched from {Origin.of(url)}; allowed: {allowed}; "
            "if this is another name of Label Studio, set LABEL_STUDIO_PUBLIC_URL to it; if tasks "
            "may name this host, add it to OVSEG_IMAGE_HOSTS"
        )

    def _read(self, reference: str) -> httpx2.URL:
        try:
            return parsed_url(reference)
        except ValueError as error:
            raise ImageRefused(
                f"a task names {_start_of(reference)} as its picture, and {error}; allowed: "
                "uploads, local files storage, s3://, gs:// and azure-blob:// of Label Studio, "
                "and http(s) addresses of allowed hosts"
            ) from error

    def _presign(self, reference: str, task_id: int | None) -> httpx2.URL:
        if task_id is None:
            raise ImageRefused(
                f"{_start_of(reference)} can only be fetched for a task that is stored in Label "
                "Studio, and this one has no id"
            )
        coded = base64.urlsafe_b64encode(reference.encode("utf-8", "replace")).decode()
        return self._at_server(f"/tasks/{task_id}/presign/").copy_with(params={"fileuri": coded})

    def _of_server(self, url: httpx2.URL) -> httpx2.URL:
        """The same file at the address where the server is reached from here."""
        path = _raw_path(url)
        prefixes = (each for each in self._prefixes if path.startswith(each))
        path = path.removeprefix(max(prefixes, key=len, default=""))
        if not _is_picture(unquote(path)):
            raise ImageRefused(
                f"{_start_of(url.path)}: this is no address of a picture; allowed: "
                "/data/upload/..., /data/local-files/?d=... and /tasks/.../presign/"
            )
        return self._at_server(path).copy_with(query=url.query or None)

    def _at_server(self, path: str) -> httpx2.URL:
        return self._server.copy_with(raw_path=(_prefix_of(self._server) + path).encode())

    def _from_server(self, address: httpx2.URL, validators: Mapping[str, str]) -> Answer:
        """Ask Label Studio, with the token; a bucket it redirects to is asked without."""
        answer = self._with_token(address, validators)
        if answer.status == httpx2.codes.UNAUTHORIZED:
            self._tokens.renew()  # revoked, or the server has other keys since it started
            answer = self._with_token(address, validators)
        if answer.location is None or not httpx2.codes.is_redirect(answer.status):
            return answer
        return self._from_bucket(answer.location, address, validators)

    def _with_token(self, address: httpx2.URL, validators: Mapping[str, str]) -> Answer:
        request = _request(address, validators)
        request.headers["Authorization"] = self._tokens.header()
        return get(self._client, request, self._limits)

    def _from_bucket(
        self, location: str, asked: httpx2.URL, validators: Mapping[str, str]
    ) -> Answer:
        try:
            target = parsed_url(str(asked.join(location))).copy_with(fragment=None)
            origin = Origin.of(target)
            if origin in self._names:
                raise ImageUnavailable(
                    f"{shown(asked)} redirects to {target.path} of Label Studio instead of giving "
                    "the picture; look whether the owner of the token may see this task"
                )
            if origin in self._allowed:
                return get(self._client, _request(target, validators), self._limits)
            pinned = self._address_of(origin)
        except (ValueError, httpx2.InvalidURL) as error:
            raise ImageRefused(
                f"{shown(asked)} redirects to a server that is not asked: {error}; add the host "
                "of the bucket to OVSEG_IMAGE_HOSTS if that is right"
            ) from error
        request = _request(target.copy_with(host=pinned), validators)
        request.headers["Host"] = target.netloc.decode("ascii")
        request.extensions["sni_hostname"] = origin.host
        return get(self._strangers, request, self._limits)


def _raw_path(url: httpx2.URL) -> str:
    """The path as it is sent."""
    return url.raw_path.partition(b"?")[0].decode("ascii")


def _prefix_of(server: httpx2.URL) -> str:
    """What stands in front of every path of a server that is not at the root of its host."""
    return _raw_path(server).rstrip("/")


def _is_picture(path: str) -> bool:
    """Whether a decoded path is one of those under which Label Studio gives pictures."""
    parts = [*path.split("/"), *unquote(path).split("/")]  # a proxy may decode once more
    return _PICTURE.fullmatch(path) is not None and ".." not in parts and "\\" not in path


def _request(address: httpx2.URL, validators: Mapping[str, str]) -> httpx2.Request:
    return httpx2.Request("GET", address, headers=dict(validators))


def _fetched(answer: Answer, address: httpx2.URL) -> Fetched | None:
    """What came, None for what is known already; raises when it is neither."""
    if answer.status == httpx2.codes.OK:
        return Fetched(answer.content, answer.validators)
    if answer.status == httpx2.codes.NOT_MODIFIED:
        return None
    where = shown(address)
    if answer.status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        raise ImageUnavailable(
            f"{where} answered {answer.status}; look whether the owner of LABEL_STUDIO_API_KEY "
            "may see this project"
        )
    if httpx2.codes.is_redirect(answer.status):
        raise ImageRefused(
            f"{where} redirects elsewhere, and redirects are not followed; let the task name the "
            "picture's own address"
        )
    raise ImageUnavailable(f"{where} answered {answer.status}; look whether the file is there")


def _start_of(reference: str) -> str:
    """The beginning of what a task says, without what may be a signature."""
    text = reference.partition("?")[0]
    return repr(text if len(text) <= 100 else text[:97] + "...")
