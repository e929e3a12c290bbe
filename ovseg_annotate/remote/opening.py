"""From an address to a session."""

from __future__ import annotations

from collections.abc import Callable

from ovseg_annotate.remote.address import Address
from ovseg_annotate.remote.connection import Connection
from ovseg_annotate.remote.served import served_at
from ovseg_annotate.remote.session import RemoteSession
from ovseg_annotate.watch import Watch
from ovseg_annotate.web.retries import Patience

# Others are at work there, or it was started again and loads its weights: minutes.
_BUSY = Patience(attempts=60, first_wait=0.25, longest_wait=10.0, longest_asked=10.0)
_LOADING = Patience(attempts=300, first_wait=0.25, longest_wait=2.0, longest_asked=2.0)
_AWAY = Patience(attempts=15, first_wait=0.25, longest_wait=10.0)  # about a minute and a half
_NOT_THERE = Patience(attempts=1)


def connect(
    address: Address,
    stopped: Callable[[], bool] | None = None,
    away: Patience = _AWAY,
) -> RemoteSession:
    """Open the session that a server has; raises ServerError when there is none.

    Waits for a server that is loading its weights, not for one that is not there. `stopped` is
    asked meanwhile; `away` is how long the session waits later for a server that is away.
    """
    first = Connection(address, _LOADING, _NOT_THERE)
    try:
        served = served_at(first, Watch(cancel=stopped))
    finally:
        first.close()
    return RemoteSession(Connection(address, _BUSY, away), served)
