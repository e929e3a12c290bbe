"""Where a server is, and what proves that one may ask it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ovseg_annotate.errors import OptionError
from ovseg_annotate.web.addresses import is_loopback, server_of

TOKEN_VARIABLE = "OVSEG_SERVER_TOKEN"  # noqa: S105  its name


@dataclass(frozen=True, slots=True)
class Address:
    """A server and our token for it; its text never shows the token."""

    url: str
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        url = server_of(self.url, "server")
        object.__setattr__(self, "url", str(url).rstrip("/"))
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise OptionError("the token of the server holds what cannot stand in a header")

    @property
    def is_here(self) -> bool:
        """Whether nothing travels over a network."""
        return is_loopback(server_of(self.url, "server").host)


def address_of(
    url: str, token_file: Path | None, environment: Mapping[str, str] = os.environ
) -> Address:
    """Read the token from its file, or else from OVSEG_SERVER_TOKEN."""
    if token_file is None:
        return Address(url, environment.get(TOKEN_VARIABLE, "").strip() or None)
    try:
        lines = token_file.expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"cannot read the token in {token_file}: {error}") from error
    tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if len(tokens) != 1:
        raise OptionError(
            f"{token_file} holds {len(tokens)} tokens; write the one that the server gave you"
        )
    return Address(url, tokens[0])
