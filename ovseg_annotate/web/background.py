"""The weights, loaded in the background while the server already answers."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ovseg_annotate.devices import memory_in_use
from ovseg_annotate.errors import ModelError, OvsegError

if TYPE_CHECKING:
    from ovseg_annotate.backbones.weights import DownloadProgress
    from ovseg_annotate.session import Session

Opening: TypeAlias = "Callable[[Callable[[DownloadProgress], None]], Session]"

_log = logging.getLogger(__name__)


class StillLoading(OvsegError):  # noqa: N818  it is a state, not a fault
    """The weights are on their way; ask again."""


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """How far the weights are."""

    stage: Literal["loading", "ready", "failed"]
    detail: str = ""  # how much is downloaded, or why it failed

    def __str__(self) -> str:
        return f"failed: {self.detail}" if self.stage == "failed" else self.stage


def staying(opening: Opening) -> Opening:
    """The same, for a process that keeps the session as long as it runs.

    What is loaded by then is spared from garbage collection: each look through it would stop all
    requests for a quarter of a second.
    """

    def opened(progress: Callable[[DownloadProgress], None]) -> Session:
        session = opening(progress)
        gc.collect()
        gc.freeze()
        return session

    return opened


class BackgroundSession:
    """One session for the whole process, opened in a thread of its own.

    `opening(progress)` opens it.
    """

    def __init__(self, model: str, opening: Opening, patience: float) -> None:
        self._model = model
        self._opening = opening
        self._patience = patience
        self._ended = threading.Event()  # loading has, well or not
        self._session: Session | None = None
        self._problem: OvsegError | None = None
        self._progress = ""
        self._thread = threading.Thread(target=self._load, name="ovseg-load", daemon=True)

    @property
    def model(self) -> str:
        return self._model

    @property
    def status(self) -> ModelStatus:
        if self._problem is not None:
            return ModelStatus("failed", str(self._problem))
        return ModelStatus("ready") if self._session else ModelStatus("loading", self._progress)

    @property
    def opened(self) -> Session | None:
        """The session if it is there, without waiting."""
        return self._session

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    def session(self) -> Session:
        """The session; waits for it, then raises StillLoading, or why it could not be opened."""
        self._ended.wait(self._patience)
        if self._session is not None:
            return self._session
        if self._problem is not None:
            raise ModelError(
                f"the model {self._model} could not be opened, start the server again when this "
                f"is put right: {self._problem}"
            )
        told = f" ({self._progress})" if self._progress else ""
        raise StillLoading(f"the model {self._model} is still loading{told}; ask again in a moment")

    def device_bytes(self) -> int | None:
        """Memory in use on the device; None while there is no session, or where none is counted."""
        return None if self._session is None else memory_in_use(self._session.placement.device)

    def close(self) -> None:
        """Give the device's memory back."""
        if self._session is not None:
            self._session.close()

    def _load(self) -> None:
        _log.info("loading %s", self._model)
        try:
            self._session = self._opening(self._report)
        except OvsegError as error:
            self._problem = error
            _log.error("%s could not be opened: %s", self._model, error)
        except Exception as error:  # an engine or a driver: the server goes on and says so
            self._problem = ModelError(f"{type(error).__name__}; the log of the server has more")
            _log.exception("%s could not be opened", self._model)
        else:
            _log.info("%s is ready on %s", self._model, self._session.placement.device)
        finally:
            self._ended.set()

    def _report(self, progress: DownloadProgress) -> None:
        if progress.done == 0:
            _log.info("downloading %s", progress)
        of = "" if progress.total is None else f" of {progress.total / 1e6:.0f}"
        self._progress = f"{progress.done / 1e6:.0f}{of} MB are downloaded"
