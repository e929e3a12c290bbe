"""What can go wrong between a client and the server; all are `OvsegError`s."""

from __future__ import annotations

from ovseg_annotate.errors import ModelError, OvsegError


class QuotaError(OvsegError):
    """One client asks for more at a time than it may."""


class JobExistsError(OvsegError):
    """Two requests of one client at a time have one id."""


class OtherModelError(ModelError):
    """The question is for another model than the one that is served."""


class NotServingError(ModelError):
    """The model could not be opened."""


class NotHereError(OvsegError):
    """What a question names was never uploaded, or was dropped since."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is not here; send it with PUT, then ask again")
        self.path = path
