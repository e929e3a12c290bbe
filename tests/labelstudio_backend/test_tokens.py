from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from fake_image_host import PAT, FakeLabelStudio
from loopback import listening

from labelstudio_backend.tokens import TokenError, Tokens


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def tokens_of(
    host: FakeLabelStudio, key: str | None = PAT, clock: Clock | None = None
) -> Iterator[Tokens]:
    with listening(host.app()) as url:
        tokens = Tokens(url, key, clock or Clock())
        yield tokens
        tokens.close()


def test_one_exchange_serves_until_shortly_before_the_end() -> None:
    host, clock = FakeLabelStudio(life=300), Clock()
    with tokens_of(host, clock=clock) as tokens:
        first = tokens.header()
        clock.now += 254
        assert tokens.header() == first
        clock.now += 2
        assert tokens.header() != first
    assert host.exchanges == 2
    assert tokens.header() in host.valid


def test_a_very_short_life_is_used_by_half() -> None:
    host, clock = FakeLabelStudio(life=30), Clock()
    with tokens_of(host, clock=clock) as tokens:
        tokens.header()
        clock.now += 14
        tokens.header()
        assert host.exchanges == 1
        clock.now += 2
        tokens.header()
        assert host.exchanges == 2


def test_many_threads_share_one_exchange() -> None:
    host = FakeLabelStudio()
    with tokens_of(host) as tokens, ThreadPoolExecutor(8) as pool:
        headers = set(pool.map(lambda _: tokens.header(), range(32)))
    assert len(headers) == 1
    assert host.exchanges == 1


def test_a_token_that_was_refused_is_exchanged_again() -> None:
    host = FakeLabelStudio()
    with tokens_of(host) as tokens:
        first = tokens.header()
        tokens.renew()
        assert tokens.header() != first


def test_a_token_of_the_older_kind_is_used_as_it_is() -> None:
    host = FakeLabelStudio()
    with tokens_of(host, "0123456789abcdef0123456789abcdef01234567") as tokens:
        assert tokens.header() == "Token 0123456789abcdef0123456789abcdef01234567"
        tokens.renew()
    assert host.exchanges == 0


@pytest.mark.parametrize(
    ("exchange", "told"),
    [
        ("refuses", "does not take the token in LABEL_STUDIO_API_KEY"),
        ("web-page", "without an access token"),
        ("fails", "answered 500 without an access token"),
        ("injects", "without an access token"),
    ],
)
def test_a_failed_exchange_says_what_to_do_and_not_the_token(exchange: str, told: str) -> None:
    with (
        tokens_of(FakeLabelStudio(exchange=exchange)) as tokens,
        pytest.raises(TokenError, match=told) as caught,
    ):
        tokens.header()
    assert PAT not in str(caught.value)


def test_no_server_is_told_as_such() -> None:
    tokens = Tokens("http://127.0.0.1:1", PAT)
    with pytest.raises(TokenError, match="did not answer"):
        tokens.header()
    tokens.close()


def test_without_a_key_the_error_names_the_variable() -> None:
    tokens = Tokens("http://127.0.0.1:1", None)
    with pytest.raises(TokenError, match="LABEL_STUDIO_API_KEY is not set"):
        tokens.header()
    tokens.close()
