from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from labelstudio_backend.security import Guard
from labelstudio_backend.settings import Settings

USER, PASSWORD, TOKEN = "ada", "pässwörd: ü", "hook-ü"
GUARDED = Guard(Settings(basic_auth_user=USER, basic_auth_pass=PASSWORD, webhook_token=TOKEN))
ML_ROUTES = ("/setup", "/predict", "/versions", "/validate", "/metrics", "/webhook", "/nowhere")


def headers(**values: bytes) -> Headers:
    raw = [(name.replace("_", "-").lower().encode(), value) for name, value in values.items()]
    return Headers(raw=raw)


def basic(pair: str, coding: str = "utf-8") -> bytes:
    return b"Basic " + base64.b64encode(pair.encode(coding))


@pytest.mark.parametrize("path", ML_ROUTES)
def test_the_right_password_opens_everything_and_none_opens_nothing(path: str) -> None:
    assert GUARDED.admits(path, headers(authorization=basic(f"{USER}:{PASSWORD}")))
    assert not GUARDED.admits(path, headers())


@pytest.mark.parametrize("path", ["/", "/health"])
def test_a_probe_needs_no_password(path: str) -> None:
    assert GUARDED.admits(path, headers())


def test_without_a_password_in_the_settings_none_is_asked_for() -> None:
    assert Guard(Settings()).admits("/predict", headers())


@pytest.mark.parametrize(
    "given_header",
    [
        b"",
        b"Basic",
        b"Basic !!!!",
        b"Basic YWRh",
        b"Basic " + b"A" * 4001,
        "Basic \u00e4".encode("latin-1"),
        b"Basic \xff\xfe",
        b"Bearer " + base64.b64encode(f"{USER}:{PASSWORD}".encode()),
        basic(f"{USER}:{PASSWORD}", "latin-1"),
        basic(f"{USER}:{PASSWORD} "),
        basic(f"{USER}:"),
        basic(f":{PASSWORD}"),
    ],
)
def test_a_wrong_or_malformed_password_is_refused_without_an_error(given_header: bytes) -> None:
    assert not GUARDED.admits("/predict", headers(authorization=given_header))


@given(st.binary(max_size=60))
def test_no_bytes_in_the_header_break_the_guard(content: bytes) -> None:
    assert not GUARDED.admits("/predict", headers(authorization=b"Basic " + content))
    assert not GUARDED.admits("/webhook", headers(x_webhook_token=content))


def test_the_secret_header_opens_the_webhook_only() -> None:
    secret = headers(x_webhook_token=TOKEN.encode())
    assert GUARDED.admits("/webhook", secret)
    assert not GUARDED.admits("/predict", secret)
    assert not GUARDED.admits("/webhook", headers(x_webhook_token=TOKEN.encode() + b"x"))


def test_an_empty_header_does_not_equal_a_secret_that_is_not_set() -> None:
    guard = Guard(Settings(basic_auth_user=USER, basic_auth_pass=PASSWORD))
    assert not guard.admits("/webhook", headers(x_webhook_token=b""))
    assert not guard.admits("/webhook", headers())
