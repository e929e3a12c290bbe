"""Servers, and which of them may be asked."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

import httpx2

from ovseg_annotate.errors import OptionError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_UNUSABLE = frozenset("\\") | {chr(code) for code in (*range(0x20), 0x7F)}


@dataclass(frozen=True, slots=True)
class Origin:
    """A server: the same only if scheme, host and port are."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = _DEFAULT_PORTS[self.scheme] == self.port
        return f"{self.scheme}://{host}" + ("" if usual else f":{self.port}")

    @classmethod
    def of(cls, url: httpx2.URL) -> Origin:
        """The server of an address that `parsed_url` read."""
        return cls(url.scheme, url.host, url.port or _DEFAULT_PORTS[url.scheme])


def parsed_url(text: str) -> httpx2.URL:
    """Read an http address; raises ValueError that says what is wrong, without the address.

    The request is made with what is returned here, so that no second parser can read another host
    out of the same text.
    """
    if any(character in _UNUSABLE for character in text):
        raise ValueError("it holds control characters or backslashes")
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        raise ValueError("it is no address") from error
    if url.scheme not in _DEFAULT_PORTS or not url.host:
        raise ValueError("only http://host/... and https://host/... are fetched")
    if url.userinfo:
        raise ValueError("it carries a user name or a password")
    return url


def server_of(text: str, name: str) -> httpx2.URL:
    """Read the address of a server from a setting; a path in front of everything is kept."""
    try:
        url = parsed_url(text)
    except ValueError as error:
        raise OptionError(
            f"{name} {text!r}: {error}; write the address as a browser shows it, "
            "such as http://127.0.0.1:8080"
        ) from error
    if url.query or url.fragment:
        raise OptionError(f"{name} {text!r}: leave out everything from ? or # on")
    return url


def origins_of_host(text: str) -> tuple[Origin, ...]:
    """Read one entry of an allow-list: `host` stands for its two usual ports."""
    try:
        url = parsed_url(f"http://{text}")
        if url.path not in ("", "/") or url.query or "*" in text:
            raise ValueError("it is more than a host")
    except ValueError as error:
        raise OptionError(
            f"image_hosts: {text!r}: {error}; write host or host:port, "
            "such as images.example.com or 10.0.0.5:9000"
        ) from error
    if url.port is not None or text.endswith(":80"):
        port = url.port or 80
        return tuple(Origin(scheme, url.host, port) for scheme in _DEFAULT_PORTS)
    return tuple(Origin(scheme, url.host, port) for scheme, port in _DEFAULT_PORTS.items())


def is_loopback(host: str) -> bool:
    """Whether nobody else can reach this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def public_address(origin: Origin) -> str:
    """Resolve a host to an address of the public internet; raises ValueError otherwise.

    The connection must be made to the address returned: asked again, a name server may answer
    differently.
    """
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ValueError(f"{origin.host} has no address") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not _is_public(address):
            raise ValueError(f"{origin.host} is a private or reserved address")
    return addresses[0]


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast
