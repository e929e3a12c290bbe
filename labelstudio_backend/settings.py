"""Everything an operator may set, read once at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from labelstudio_backend.suggest_options import SuggestOptions
from ovseg_annotate.errors import OptionError, listed_by_nearness
from ovseg_annotate.options import read_options
from ovseg_annotate.web.addresses import is_loopback, origins_of_host, server_of

MEBIBYTE = 2**20

# Secrets come from the environment only: flags are seen by everybody who may list processes.
_SECRETS = {
    "LABEL_STUDIO_API_KEY": "api_key",
    "BASIC_AUTH_USER": "basic_auth_user",
    "BASIC_AUTH_PASS": "basic_auth_pass",
    "WEBHOOK_TOKEN": "webhook_token",
}
_ENVIRONMENT = {
    **_SECRETS,
    "LABEL_STUDIO_URL": "label_studio_url",
    "LABEL_STUDIO_PUBLIC_URL": "label_studio_public_url",
    "OVSEG_HOST": "host",
    "PORT": "port",
    "OVSEG_IMAGE_HOSTS": "image_hosts",
    "OVSEG_IMAGE_BYTES": "image_bytes",
    "OVSEG_IMAGE_PIXELS": "image_pixels",
    "OVSEG_REQUEST_BYTES": "request_bytes",
    "OVSEG_QUEUE": "queue",
    "OVSEG_WORKERS": "workers",
    "OVSEG_LOADING_SECONDS": "loading_seconds",
    "OVSEG_GRACE_SECONDS": "grace_seconds",
    "OVSEG_DATA": "data",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How the backend serves and what it may reach; its text never shows a secret."""

    host: str = "127.0.0.1"  # address to listen on; others than loopback need basic auth
    port: int = 9090  # to listen on; 0: any free one
    label_studio_url: str = "http://127.0.0.1:8080"  # where this machine reaches Label Studio
    label_studio_public_url: str | None = None  # the same server as its tasks name it, if different
    image_hosts: tuple[str, ...] = ()  # further hosts to fetch pictures from: host or host:port
    image_bytes: int = 64 * MEBIBYTE  # largest picture file that is fetched
    image_pixels: int = 2**28  # largest picture that is decoded
    request_bytes: int = 256 * MEBIBYTE  # largest request: tasks bring all their annotations
    queue: int = 32  # requests that may wait for a worker; more are asked to come again
    workers: int = 2  # requests in work at a time; the device runs one network pass at a time
    loading_seconds: float = 60.0  # how long a request waits for the weights
    grace_seconds: float = 25.0  # time to finish when the server is stopped
    data: Path | None = None  # folder for what outlives a stop; None: nothing does
    api_key: str | None = field(default=None, repr=False)  # personal access token
    basic_auth_user: str | None = field(default=None, repr=False)
    basic_auth_pass: str | None = field(default=None, repr=False)
    webhook_token: str | None = field(default=None, repr=False)  # value of X-Webhook-Token

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_addresses()
        self._check_access()

    @property
    def is_guarded(self) -> bool:
        """Whether requests need a user and a password."""
        return self.basic_auth_user is not None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be written anywhere."""
        return tuple(
            value for name in _SECRETS.values() if (value := getattr(self, name)) is not None
        )

    def limited(self, options: SuggestOptions) -> SuggestOptions:
        """The same within the limits of these settings; they are part of the model version."""
        reading = replace(
            options.reading, maximum_pixels=self.image_pixels, maximum_bytes=self.image_bytes
        )
        return replace(options, reading=reading)

    def _check_numbers(self) -> None:
        if not 0 <= self.port <= 65535:
            raise OptionError(f"port {self.port} is out of range; allowed: 0 to 65535")
        for name in ("image_bytes", "image_pixels", "request_bytes", "queue", "workers"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} {getattr(self, name)} is out of range; at least 1")
        for name in ("loading_seconds", "grace_seconds"):
            if not 0 <= getattr(self, name) <= 3600:
                raise OptionError(
                    f"{name} {getattr(self, name):g} is out of range; allowed: 0 to 3600"
                )

    def _check_addresses(self) -> None:
        server_of(self.label_studio_url, "label_studio_url")
        if self.label_studio_public_url is not None:
            server_of(self.label_studio_public_url, "label_studio_public_url")
        for host in self.image_hosts:
            origins_of_host(host)

    def _check_access(self) -> None:
        if (self.basic_auth_user is None) != (self.basic_auth_pass is None):
            missing = "BASIC_AUTH_PASS" if self.basic_auth_pass is None else "BASIC_AUTH_USER"
            raise OptionError(f"{missing} is missing; set both of a user and a password, or none")
        if self.basic_auth_user is not None and ":" in self.basic_auth_user:
            raise OptionError("BASIC_AUTH_USER holds a colon, which basic auth has no place for")
        if self.webhook_token is not None and not self.is_guarded:
            raise OptionError(
                "WEBHOOK_TOKEN is set without BASIC_AUTH_USER and BASIC_AUTH_PASS: the button "
                "Start Training sends no webhook header and would be refused; set all three"
            )
        if not self.is_guarded and not is_loopback(self.host):
            raise OptionError(
                f"host {self.host!r} can be reached from other machines, and no password is set; "
                "set BASIC_AUTH_USER and BASIC_AUTH_PASS, or listen on 127.0.0.1"
            )


def read_settings(environment: Mapping[str, str], flags: Mapping[str, object]) -> Settings:
    """Merge the environment with what was given on the command line, which wins."""
    refused = sorted(set(flags) & set(_SECRETS.values()))
    if refused:
        names = ", ".join(name for name, field_name in _SECRETS.items() if field_name in refused)
        raise OptionError(f"secrets are no flags: they show in process lists; set {names} instead")
    values: dict[str, object] = {
        name: environment[variable]
        for variable, name in _ENVIRONMENT.items()
        if environment.get(variable, "").strip()
    }
    values.setdefault("data", _state_folder(environment))
    known = {each.name for each in fields(Settings)}
    for name, value in flags.items():
        if name not in known:
            raise OptionError(
                f"unknown setting {name!r}; there is: {listed_by_nearness(name, known)}"
            )
        if value is not None:
            values[name] = value
    values["data"] = Path(str(values["data"])).expanduser()
    return read_options(Settings, values)


def _state_folder(environment: Mapping[str, str]) -> Path:
    """Where programs of this user keep what they know, by the convention of the desktop."""
    base = environment.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "ovseg-annotate" / "label-studio"
