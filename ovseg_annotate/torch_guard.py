"""Import torch in a process whose window is drawn by Mesa, without ending that process.

Mesa's drivers bring LLVM, and so does triton, which torch's companions import. Whichever comes
second is bound to the symbols of the first and the process dies. A triton that is loaded with
RTLD_DEEPBIND keeps to its own.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from types import ModuleType

_lock = threading.Lock()


def import_torch() -> ModuleType:
    """Import torch; call this before any import of torch, open_clip or timm where napari runs."""
    with _lock:
        if "triton" not in sys.modules and hasattr(os, "RTLD_DEEPBIND"):  # glibc only
            _import_triton_by_itself()
        return importlib.import_module("torch")


def _import_triton_by_itself() -> None:
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        importlib.import_module("triton")
    except ImportError:
        pass  # torch for a CPU or for another system comes without it
    finally:
        sys.setdlopenflags(flags)
