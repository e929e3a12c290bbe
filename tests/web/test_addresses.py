from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ovseg_annotate.web.addresses import Origin, origins_of_host, parsed_url, public_address


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104  an address, not one to listen on
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
    ],
)
def test_an_inner_address_is_not_public(host: str) -> None:
    with pytest.raises(ValueError, match="private or reserved"):
        public_address(Origin("http", host, 80))


@pytest.mark.parametrize("host", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_an_address_of_the_internet_is_public(host: str) -> None:
    assert public_address(Origin("https", host, 443))


def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match="has no address"):
        public_address(Origin("http", "no-such-host.invalid", 80))


def test_an_allowed_host_stands_for_its_usual_ports_and_one_with_a_port_for_that() -> None:
    assert set(map(str, origins_of_host("Example.COM"))) == {
        "http://example.com",
        "https://example.com",
    }
    assert Origin("http", "10.0.0.5", 9000) in origins_of_host("10.0.0.5:9000")
    assert Origin("http", "10.0.0.5", 80) not in origins_of_host("10.0.0.5:9000")
    assert Origin("https", "::1", 8443) in origins_of_host("[::1]:8443")


@given(st.text(max_size=80))
def test_what_is_read_as_an_address_is_http_without_a_user(text: str) -> None:
    try:
        url = parsed_url(text)
    except ValueError:
        return
    assert url.scheme in ("http", "https")
    assert url.host
    assert not url.userinfo
