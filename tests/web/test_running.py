from __future__ import annotations

import socket

import pytest

from ovseg_annotate.errors import OptionError
from ovseg_annotate.web.running import listening


def test_a_taken_port_is_an_error_that_says_so() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OptionError, match="choose another port"),
    ):
        listening("127.0.0.1", taken.getsockname()[1])


def test_the_second_part_of_an_answer_does_not_wait_for_the_first() -> None:
    """asyncio sends small parts at once where a socket says that it is TCP."""
    with listening("127.0.0.1", 0) as bound:
        assert bound.proto == socket.IPPROTO_TCP
