"""What can go wrong between Label Studio and the core; all are `OvsegError`s."""

from __future__ import annotations

from ovseg_annotate.errors import OvsegError


class WireError(OvsegError):
    """A request does not say what it has to."""


class LabelConfigError(OvsegError):
    """A labeling config that cannot be read, or that has no place for suggestions."""


class LearningError(OvsegError):
    """A project that cannot be learnt from."""


class TaskError(OvsegError):
    """A task lacks what its labeling config asks for."""
