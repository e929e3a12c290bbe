"""`ovseg-label-studio status`: how a project stands, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator

from labelstudio_backend.label_studio import LabelStudio, RemoteBackend
from labelstudio_backend.security import WEBHOOK_HEADER


def status_lines(studio: LabelStudio, project: int) -> Iterator[str]:
    """One fact a line; secrets are told to be there, never shown."""
    found = studio.project(project)
    yield f"Label Studio {studio.release()} at {studio.url}"
    yield f"project {found.id} {found.title!r}: {found.task_count} tasks"
    shown = found.model_version or "none"
    if found.model_version:
        missing = studio.task_count(project, without_version=found.model_version)
        shown += f", missing on {missing} tasks"
    yield f"suggestions shown to annotators: {shown}"
    backends = studio.backends(project)
    if not backends:
        yield f"no backend; run: ovseg-label-studio connect --project {project}"
    for backend in backends:
        yield from _backend_lines(backend, found.model_version)
    for hook in studio.webhooks(project):
        secret = "with a secret" if WEBHOOK_HEADER in hook.headers else "without a secret"
        yield f"webhook {hook.url}, {secret}"


def _backend_lines(backend: RemoteBackend, shown: str) -> Iterator[str]:
    state = "connected" if backend.is_connected else "not reachable"
    yield f"backend {backend.url}: {state}, version {backend.model_version or 'unknown'}"
    if backend.problem:
        yield f"  it says: {backend.problem}"
    if backend.is_connected and backend.model_version != shown:
        yield (
            "  its version is not the one that annotators are shown; run connect again, and push "
            "for tasks that have none"
        )
