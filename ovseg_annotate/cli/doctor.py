"""`ovseg doctor`: whether everything that a run needs is in order."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

import typer

from ovseg_annotate._version import __version__
from ovseg_annotate.catalog import DEFAULT_MODEL
from ovseg_annotate.cli.cache import readable
from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.sessions import (
    SessionOptions,
    default_cache,
    opened_session,
)
from ovseg_annotate.errors import OvsegError

_PACKAGES = ("numpy", "torch", "open_clip_torch", "timm", "scikit-image", "shapely", "Pillow")
_LOW_DISK = 2 * 2**30


class Health(StrEnum):
    FINE = "ok"
    MIND = "note"  # works, with something to know
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    health: Health
    text: str


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """What to look at."""

    model: str = DEFAULT_MODEL  # the model that is tried
    json: bool = False  # one JSON list on stdout


def doctor(options: DoctorOptions) -> None:
    """Look at Python, packages, devices, folders and a model; exit code 3 if one is broken."""
    findings = []
    for finding in _findings(options):
        findings.append(finding)
        if not options.json:
            typer.echo(f"{finding.health.value:7}{finding.subject:10}{finding.text}")
    if options.json:
        typer.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=1))
    if any(finding.health is Health.BROKEN for finding in findings):
        raise typer.Exit(Exit.NOTHING_DONE)


def _findings(options: DoctorOptions) -> Iterator[Finding]:
    yield _python()
    yield _packages()
    yield _looked_at("devices", _devices)
    yield _memory()
    yield _looked_at("cache", lambda: _cache(default_cache()))
    yield _looked_at("model", lambda: _model(options.model))


def _looked_at(subject: str, look: Callable[[], Finding]) -> Finding:
    """A check that may itself fail in any way: then that is what it found."""
    try:
        return look()
    except (OvsegError, OSError, ImportError, RuntimeError) as error:
        return Finding(subject, Health.BROKEN, str(error))


def _python() -> Finding:
    text = f"{platform.python_version()} on {platform.platform()}, ovseg-annotate {__version__}"
    if sys.version_info < (3, 11):  # noqa: UP036  somebody may have forced the installation
        return Finding("python", Health.BROKEN, f"{text}; 3.11 or later is needed")
    return Finding("python", Health.FINE, text)


def _packages() -> Finding:
    there, missing = [], []
    for name in _PACKAGES:
        try:
            there.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        advice = f"missing: {', '.join(missing)}; install ovseg-annotate again"
        return Finding("packages", Health.BROKEN, advice)
    return Finding("packages", Health.FINE, ", ".join(there))


def _devices() -> Finding:
    from ovseg_annotate.devices import available_devices  # noqa: PLC0415  imports torch

    names = available_devices()
    text = f"{', '.join(names)}; {os.cpu_count()} processor cores"
    if len(names) == 1:
        return Finding("devices", Health.MIND, f"{text}; no GPU that torch can use")
    return Finding("devices", Health.FINE, text)


def _memory() -> Finding:
    if not hasattr(os, "sysconf"):  # Windows
        return Finding("memory", Health.MIND, "cannot be told on this system")
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    text = f"{readable(total)}, {readable(free)} unused"
    return Finding("memory", Health.FINE if total >= 4 * 2**30 else Health.MIND, text)


def _cache(folder: Path) -> Finding:
    from ovseg_annotate.feature_store import FeatureStore  # noqa: PLC0415  imports torch

    use = FeatureStore(folder=folder).disk_use()
    free = shutil.disk_usage(folder).free
    text = f"{folder}: {use.entries} entries, {readable(use.bytes)}; {readable(free)} free"
    return Finding("cache", Health.FINE if free >= _LOW_DISK else Health.MIND, text)


def _model(name: str) -> Finding:
    started = time.monotonic()
    session = opened_session(SessionOptions(model=name, offline=True))
    spent = time.monotonic() - started
    placement = session.placement
    where = f"{placement.device}, {placement.precision}"
    session.close()
    return Finding("model", Health.FINE, f"{name} loads in {spent:.1f} s; it would run on {where}")
