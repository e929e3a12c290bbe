"""The flags that open a session."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ovseg_annotate.catalog import DEFAULT_MODEL
from ovseg_annotate.errors import OptionError, OvsegError
from ovseg_annotate.lessons.model_names import split_model, with_version
from ovseg_annotate.vocabulary import Vocabulary

if TYPE_CHECKING:
    from ovseg_annotate.any_session import AnySession
    from ovseg_annotate.backbones.weights import DownloadProgress
    from ovseg_annotate.remote.served import Served
    from ovseg_annotate.session import Session

Download: TypeAlias = "Callable[[DownloadProgress], None]"


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What annotates, and where."""

    model: str = DEFAULT_MODEL  # ENGINE@WEIGHTS; "ovseg models" lists what there is
    engine_options: tuple[str, ...] = ()  # the engine's own, such as sigma=3,fold=sum
    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    precision: str = "auto"  # auto, float32, bfloat16, float16
    cache: str = "none"  # keep image features on disk: none, default, or a folder
    offline: bool = False  # never use the network


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """Another machine that annotates: where ovseg serve runs."""

    server: str | None = None  # its address, such as http://gpu-box:9100; None: this machine
    server_token_file: Path | None = None  # its token; else OVSEG_SERVER_TOKEN, if it wants one


def chosen_session(
    options: SessionOptions,
    remote: RemoteOptions,
    progress: Download | None = None,
    stopped: Callable[[], bool] | None = None,
) -> tuple[AnySession, SessionOptions]:
    """The session on the server that is named, or else one here; and with what it was opened."""
    if remote.server is None:
        return opened_session(options, progress), options
    from ovseg_annotate.lessons.version import read_version  # noqa: PLC0415  slow to import
    from ovseg_annotate.remote import connect  # noqa: PLC0415  likewise
    from ovseg_annotate.remote.address import address_of  # noqa: PLC0415

    model, version = split_model(options.model)
    session = connect(address_of(remote.server, remote.server_token_file), stopped)
    try:
        settled = _as_served(session.served, replace(options, model=model))
        if version is None:
            return session, settled
        named = replace(settled, model=with_version(settled.model, version))
        return session.taught(read_version(version).lesson), named
    except OvsegError:
        session.close()
        raise


def same_session(remote: RemoteOptions, options: SessionOptions) -> AnySession:
    """The session that exactly these options open, on the server that is named or here."""
    session, settled = chosen_session(options, remote)
    if settled != options:
        session.close()
        raise OptionError(
            f"the run was made with {options.model} and engine options "
            f"{','.join(options.engine_options) or 'none'}, the server runs {settled.model} with "
            f"{','.join(settled.engine_options) or 'none'}; name another --server, or none"
        )
    return session


def _as_served(served: Served, options: SessionOptions) -> SessionOptions:
    """The options that the server has; refuses those that only `ovseg serve` could follow."""
    if options.model not in (DEFAULT_MODEL, served.model):
        raise OptionError(
            f"the server runs {served.model}, not {options.model}; leave --model out, or start "
            f"another one with: ovseg serve --model {options.model}"
        )
    if options.engine_options and options.engine_options != served.engine_options:
        raise OptionError(
            f"the server runs with engine options {','.join(served.engine_options) or 'none'}, "
            f"not {','.join(options.engine_options)}; give them to ovseg serve"
        )
    for name in ("device", "precision", "cache"):
        if getattr(options, name) != getattr(SessionOptions(), name):
            raise OptionError(f"--{name} is for the machine that annotates: give it to ovseg serve")
    return replace(options, model=served.model, engine_options=served.engine_options)


def opened_session(options: SessionOptions, progress: Download | None = None) -> Session:
    """Load the model, as `open_session` does, and tell of downloads."""
    from ovseg_annotate.feature_store import FeatureStore  # noqa: PLC0415  imports torch
    from ovseg_annotate.session import open_session  # noqa: PLC0415  imports torch

    return open_session(
        options.model,
        device=options.device,
        precision=options.precision,
        cache=FeatureStore(folder=cache_folder(options.cache)),
        engine_options=engine_options(options.engine_options),
        offline=options.offline,
        progress=progress,
    )


def engine_options(pairs: tuple[str, ...]) -> dict[str, str]:
    """Read name=value pairs."""
    options: dict[str, str] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            raise OptionError(
                f"--engine-options: got {pair!r}; write name=value pairs separated by commas, "
                "such as sigma=3,fold=sum"
            )
        options[name.strip()] = value.strip()
    return options


def vocabulary_from(prompts: str) -> Vocabulary:
    """Read words as typed, or from the file behind an @."""
    if prompts.startswith("@"):
        return Vocabulary.read(Path(prompts[1:]).expanduser())
    return Vocabulary.parse(prompts)


def default_cache() -> Path:
    """Where image features are kept unless a folder is named."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ovseg-annotate" / "features"


def cache_folder(cache: str) -> Path | None:
    """Read the flag; None keeps nothing."""
    if cache == "none":
        return None
    return default_cache() if cache == "default" else Path(cache).expanduser()
