"""Tell a Label Studio project about a backend: again and again gives the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from labelstudio_backend.label_studio import LabelStudio, RemoteBackend
from labelstudio_backend.rest import LabelStudioError, UnknownOutcomeError
from labelstudio_backend.security import WEBHOOK_HEADER
from labelstudio_backend.settings import Settings
from ovseg_annotate.errors import OptionError
from ovseg_annotate.web.addresses import server_of

_PROVISIONAL_TITLE = "ovseg"  # until Label Studio has asked the backend for its version
_RESERVED = "reserved network address"


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """Which project, and where Label Studio finds the backend."""

    project: int  # its number, as in the address of its page
    backend_url: str = "http://127.0.0.1:9090"  # as Label Studio reaches it, not as you do
    learn: bool = False  # from what people answer, and give them the most useful task first

    def __post_init__(self) -> None:
        if self.project < 1:
            raise OptionError(
                f"project {self.project}: give the number in the address of the project's page, "
                "such as 3 for /projects/3/data"
            )
        server_of(self.backend_url, "backend_url")

    @property
    def url(self) -> str:
        return self.backend_url.rstrip("/")


@dataclass(frozen=True, slots=True)
class Connection:
    """What was set up."""

    backend: RemoteBackend
    was_there: bool  # changed, not made
    webhook_is_secret: bool  # carries the header with the token


def connect(studio: LabelStudio, options: ConnectOptions, settings: Settings) -> Connection:
    """Register the backend with the version of its predictions for title.

    Label Studio orders tasks by uncertainty, and shows predictions, of the version that is the
    title of the backend.
    """
    studio.project(options.project)  # a wrong number is told before anything is made
    earlier = _registered(studio, options)
    if earlier is None:
        backend = _added(studio, options, settings)
    else:
        # First of all the password: it may be a new one.
        backend = _changed(studio, options, settings, earlier, earlier.title)
    if not backend.is_connected:
        raise LabelStudioError(
            f"Label Studio cannot use the backend at {options.url}: "
            f"{backend.problem or 'it gives no reason'}; look into the backend's log"
        )
    if not backend.model_version:
        raise LabelStudioError(
            f"the backend at {options.url} named no model version; is it this package's server?"
        )
    if options.learn:
        backend = replace(backend, extra_params={**backend.extra_params, "learn": True})
        studio.order_by_uncertainty(options.project)
    backend = _changed(studio, options, settings, backend, backend.model_version)
    _set_webhook(studio, options, settings)
    studio.show_predictions_of(options.project, backend.title)
    return Connection(backend, earlier is not None, settings.webhook_token is not None)


def retitle(
    studio: LabelStudio, project: int, backend: RemoteBackend, settings: Settings, title: str
) -> None:
    """Give a registered backend another version for title; nothing else changes."""
    _changed(studio, ConnectOptions(project, backend.url), settings, backend, title)


def _registered(studio: LabelStudio, options: ConnectOptions) -> RemoteBackend | None:
    found = (each for each in studio.backends(options.project) if _same(each.url, options.url))
    return next(found, None)


def _added(studio: LabelStudio, options: ConnectOptions, settings: Settings) -> RemoteBackend:
    try:
        return studio.add_backend(_body(options, settings, _PROVISIONAL_TITLE, {}))
    except UnknownOutcomeError:
        found = _registered(studio, options)
        if found is None:
            raise
        return found
    except LabelStudioError as error:
        raise _explained(error, options) from error


def _changed(
    studio: LabelStudio,
    options: ConnectOptions,
    settings: Settings,
    backend: RemoteBackend,
    title: str,
) -> RemoteBackend:
    try:
        body = _body(options, settings, title, backend.extra_params)
        return studio.change_backend(backend.id, body)
    except LabelStudioError as error:
        raise _explained(error, options) from error


def _explained(error: LabelStudioError, options: ConnectOptions) -> LabelStudioError:
    if _RESERVED in str(error):
        return LabelStudioError(
            f"Label Studio refuses {options.url} because it is a private address; start Label "
            "Studio with ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false in its "
            "environment (both), or give a public address",
            error.status,
        )
    return LabelStudioError(
        f"{error}. Start the backend with 'ovseg-label-studio serve', and give its address as "
        "Label Studio's own machine sees it",
        error.status,
    )


def _body(
    options: ConnectOptions, settings: Settings, title: str, extra_params: Mapping[str, object]
) -> dict[str, object]:
    """Everything each time: Label Studio refuses to change a part."""
    body: dict[str, object] = {
        "project": options.project,
        "url": options.url,
        "title": title,
        "is_interactive": True,
        "auth_method": "BASIC_AUTH" if settings.is_guarded else "NONE",
    }
    if settings.is_guarded:
        body["basic_auth_user"] = settings.basic_auth_user
        body["basic_auth_pass"] = settings.basic_auth_pass
    if extra_params:
        body["extra_params"] = dict(extra_params)
    return body


def _set_webhook(studio: LabelStudio, options: ConnectOptions, settings: Settings) -> None:
    """Label Studio sends webhooks without the password, so they carry a secret of their own."""
    url = f"{options.url}/webhook"
    token = settings.webhook_token
    headers = {} if token is None else {WEBHOOK_HEADER: token}
    hooks = [hook for hook in studio.webhooks(options.project) if _same(hook.url, url)]
    if not hooks:
        body = {"project": options.project, "url": url, "send_payload": True, "headers": headers}
        studio.add_webhook({**body, "send_for_all_actions": True, "is_active": True})
    for hook in hooks:
        others = {name: value for name, value in hook.headers.items() if name != WEBHOOK_HEADER}
        studio.change_webhook(hook.id, {"url": url, "headers": {**others, **headers}})


def _same(url: str, other: str) -> bool:
    return url.rstrip("/") == other.rstrip("/")
