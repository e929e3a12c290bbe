"""The console script `ovseg-label-studio`, also as `python -m labelstudio_backend`."""

from __future__ import annotations

import importlib.util
import sys

_NEEDED = ("httpx2", "label_studio_ml", "redis", "rq", "starlette", "uvicorn")


def main() -> None:
    """Run a verb; a mistake that a person can put right is a message, not a trace."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(
            f"error: {', '.join(missing)} is not installed; "
            'run: pip install "ovseg-annotate[label-studio]"'
        )
    from labelstudio_backend.cli import app  # noqa: PLC0415  importing does nothing
    from ovseg_annotate.cli.exits import exit_for  # noqa: PLC0415
    from ovseg_annotate.cli.talk import Talk  # noqa: PLC0415
    from ovseg_annotate.errors import OvsegError  # noqa: PLC0415

    try:
        app()
    except OvsegError as error:
        Talk().error(str(error))
        sys.exit(exit_for(error))


if __name__ == "__main__":
    main()
