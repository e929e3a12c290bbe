"""A session on a server, used as one that is here. Imports no torch, and no web server."""

from ovseg_annotate.remote.opening import connect
from ovseg_annotate.remote.session import RemoteSession

__all__ = ["RemoteSession", "connect"]
