"""One picture with its regions to a project of Label Studio, over its REST API."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING

from PIL import Image as PillowImage

from napari_plugin.label_config import Interface, interface_of
from ovseg_annotate.errors import FormatError, OvsegError, listed_by_nearness
from ovseg_annotate.formats.fields import Field, parse_json
from ovseg_annotate.formats.label_studio_results import results_of, task_score
from ovseg_annotate.image import Image
from ovseg_annotate.regions import AnnotatedImage

if TYPE_CHECKING:
    import httpx2

_SECONDS = 30.0
_SHOWN = 300  # characters of a refusal


class SendError(OvsegError):
    """Label Studio could not be reached, or did not take the picture."""


class LabelStudio:
    """A connection to one server; `key` is a personal access token or a legacy token."""

    def __init__(
        self, server: str, key: str, transport: httpx2.BaseTransport | None = None
    ) -> None:
        """`transport` None: the network."""
        try:
            import httpx2  # noqa: PLC0415  only who sends needs it
        except ImportError as error:
            raise SendError(
                "sending needs the package httpx2; install it with "
                "'pip install \"ovseg-annotate[label-studio]\"', or export Label Studio tasks to "
                "a file and import it there"
            ) from error
        if not server.startswith(("http://", "https://")):
            raise SendError(f"the server {server!r} is no address; write http://HOST:PORT")
        if not key:
            raise SendError(
                "a token is needed; Label Studio shows yours under Account & Settings > "
                "Personal Access Token"
            )
        self._server = server
        self._key = key
        self._refused = httpx2.HTTPError
        self._client = httpx2.Client(base_url=server, timeout=_SECONDS, transport=transport)

    def __enter__(self) -> LabelStudio:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def send(self, project: int, image: Image, annotated: AnnotatedImage) -> int:
        """Upload the picture and its regions; gives the number of the new task.

        Suggestions become a prediction, what people drew an annotation. Nothing is left behind
        when the second step fails.
        """
        self._log_in()
        interface = self._interface(project)
        _check_concepts(annotated, interface)
        answer: dict[str, object] = {"result": results_of(annotated, interface.options)}
        task = self._upload(project, image, annotated.name)
        try:
            if annotated.provenance is None:
                self._ask("POST", f"/api/tasks/{task}/annotations/", json=answer)
            else:
                answer |= {"task": task, "model_version": annotated.provenance.digest}
                score = task_score(annotated)
                if score is not None:
                    answer["score"] = score
                self._ask("POST", "/api/predictions/", json=answer)
        except SendError:
            with suppress(SendError):
                self._ask("DELETE", f"/api/tasks/{task}/")
            raise
        return task

    def _log_in(self) -> None:
        """A personal access token is exchanged for one that lives for minutes."""
        if self._key.count(".") == 2:
            answer = self._ask("POST", "/api/token/refresh/", json={"refresh": self._key})
            self._client.headers["Authorization"] = f"Bearer {answer.get('access').text()}"
        else:
            self._client.headers["Authorization"] = f"Token {self._key}"

    def _interface(self, project: int) -> Interface:
        answer = self._ask("GET", f"/api/projects/{project}/")
        return interface_of(answer.get("label_config").text())

    def _upload(self, project: int, image: Image, name: str) -> int:
        file = io.BytesIO()
        PillowImage.fromarray(image.pixels).save(file, "PNG")
        called = f"{PurePosixPath(name).stem or 'picture'}.png"
        answer = self._ask(
            "POST",
            f"/api/projects/{project}/import",
            params={"return_task_ids": "true"},
            files={"file": (called, file.getvalue(), "image/png")},
        )
        numbers = [item.whole() for item in answer.get("task_ids").items()]
        if len(numbers) != 1:
            raise SendError(f"{self._server} made {len(numbers)} tasks of one picture")
        return numbers[0]

    def _ask(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        params: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
    ) -> Field:
        try:
            answer = self._client.request(method, path, json=json, params=params, files=files)
        except self._refused as error:
            raise SendError(
                f"{self._server} does not answer ({error}); check the address, and that Label "
                "Studio is running"
            ) from error
        where = f"{self._server}{path}"
        if answer.status_code in (401, 403):
            raise SendError(
                f"{where} refuses the token ({answer.status_code}); copy a new one from Account & "
                "Settings > Personal Access Token"
            )
        if answer.status_code == 404:
            raise SendError(f"{where} is not there; check the number of the project")
        if not answer.is_success:
            raise SendError(f"{where} answered {answer.status_code}: {answer.text[:_SHOWN]}")
        try:
            return parse_json(answer.content or b"null", where)
        except FormatError as error:
            raise SendError(f"{where} is no Label Studio: {error}") from error


def _check_concepts(annotated: AnnotatedImage, interface: Interface) -> None:
    used = dict.fromkeys(region.concept for region in annotated.regions)
    missing = [name for name in used if name not in interface.concepts]
    if interface.concepts and missing:
        raise SendError(
            f"the project does not know {', '.join(map(repr, missing))}; it has: "
            f"{listed_by_nearness(missing[0], interface.concepts)}. Add the labels in Settings > "
            "Labeling Interface, or rename the concepts"
        )
