"""The one session of the dock: opened in its worker, kept until another model is chosen."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from napari_plugin.monitor import Monitor, Report
from napari_plugin.preferences import Preferences
from ovseg_annotate.errors import Cancelled, OptionError
from ovseg_annotate.lessons.model_names import split_model
from ovseg_annotate.lessons.version import read_version
from ovseg_annotate.torch_guard import import_torch

if TYPE_CHECKING:
    from ovseg_annotate.any_session import AnySession
    from ovseg_annotate.backbones.weights import DownloadProgress

_GIBIBYTE = 2**30
_MEGABYTE = 10**6


class Sessions(Protocol):
    """Where the worker of a dock gets its session from."""

    def session(self, preferences: Preferences, monitor: Monitor) -> AnySession: ...


class SessionKeeper:
    """Opens a session when one is first needed; used by one worker at a time."""

    def __init__(self) -> None:
        self._session: AnySession | None = None
        self._preferences: Preferences | None = None

    def session(self, preferences: Preferences, monitor: Monitor) -> AnySession:
        """The session of these preferences; imports torch, so only ever in a worker.

        A model and the versions learnt for it share one, and with it the features of pictures.
        """
        model, version = split_model(preferences.model)
        session = self._base(replace(preferences, model=model), monitor)
        return session if version is None else session.taught(read_version(version).lesson)

    def _base(self, preferences: Preferences, monitor: Monitor) -> AnySession:
        if self._session is not None and preferences == self._preferences:
            return self._session
        if preferences.annotating_server:
            opened: AnySession = _served(preferences, monitor)
        else:
            opened = _opened_here(preferences, monitor)
        if self._session is not None:
            self._session.close()
        self._session, self._preferences = opened, preferences
        return opened


def _opened_here(preferences: Preferences, monitor: Monitor) -> AnySession:
    """A session on this machine; imports torch."""
    monitor.tell(Report(f"opening {preferences.model}"))
    torch = import_torch()
    # One core stays free for the window.
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    from ovseg_annotate.feature_store import FeatureStore  # noqa: PLC0415  imports torch
    from ovseg_annotate.session import open_session  # noqa: PLC0415  imports torch

    store = FeatureStore(
        memory_bytes=round(preferences.memory_gigabytes * _GIBIBYTE),
        folder=preferences.cache_folder,
        disk_bytes=round(preferences.disk_gigabytes * _GIBIBYTE),
    )
    return open_session(
        preferences.model,
        device=preferences.device,
        cache=store,
        progress=lambda download: _tell_download(download, monitor),
    )


def _served(preferences: Preferences, monitor: Monitor) -> AnySession:
    """The session of a server; imports no torch."""
    from ovseg_annotate.catalog import DEFAULT_MODEL  # noqa: PLC0415  slow to import
    from ovseg_annotate.remote import connect  # noqa: PLC0415  likewise
    from ovseg_annotate.remote.address import address_of  # noqa: PLC0415  likewise

    address = address_of(preferences.annotating_server, preferences.server_token_file)
    monitor.tell(Report(f"asking {address.url}"))
    session = connect(address, monitor.is_stopped)
    if preferences.model not in (DEFAULT_MODEL, session.base_model):
        session.close()
        raise OptionError(
            f"{address.url} runs {session.base_model}, and {preferences.model} is chosen here; "
            f"choose {session.base_model}, or empty Preferences > Open-vocabulary annotation > "
            "Server that annotates"
        )
    return session


def _tell_download(download: DownloadProgress, monitor: Monitor) -> None:
    if monitor.is_stopped():
        raise Cancelled("the download was stopped; it goes on from there when it is asked again")
    done, total = download.done // _MEGABYTE, (download.total or 0) // _MEGABYTE
    monitor.tell(Report(f"downloading {download}", done, total))
