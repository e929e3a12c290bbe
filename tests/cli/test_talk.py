"""What is said while people wait."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ovseg_annotate.cli.cache import bytes_of, readable
from ovseg_annotate.cli.talk import Pace, Talk, duration
from ovseg_annotate.errors import OptionError


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7260, "2 h 1 min")],
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_pace_gives_rate_and_remaining_time() -> None:
    pace = Pace(40, "picture", now=100.0)
    assert pace.text(100.0) == "0 of 40"
    pace.done = 10
    assert pace.text(105.0) == "10 of 40, 2.0 pictures/s, 15 s left"
    assert pace.text(140.0) == "10 of 40, 4.0 s/picture, 2 min 0 s left"


def test_markup_in_messages_is_not_interpreted() -> None:
    file = io.StringIO()
    Talk(Console(file=file)).error("cannot read [red]a[/red].png")
    assert file.getvalue() == "error: cannot read [red]a[/red].png\n"


def test_progress_in_a_log_file_ends_with_one_line() -> None:
    file = io.StringIO()
    with Talk(Console(file=file)).progress(2, "picture") as view:
        view.advance("a.png")
        view.advance("b.png")
    assert file.getvalue().startswith("2 of 2")
    assert file.getvalue().count("\n") == 1


def test_progress_on_a_terminal_shows_the_current_picture() -> None:
    file = io.StringIO()
    with Talk(Console(file=file, force_terminal=True, width=120)).progress(2, "picture") as view:
        view.advance("holiday.png")
    assert "holiday.png" in file.getvalue()


@pytest.mark.parametrize(
    ("text", "count"), [("5G", 5 * 2**30), ("1.5 kb", 1536), ("12", 12), ("2MiB", 2**21)]
)
def test_sizes_are_read_as_people_write_them(text: str, count: int) -> None:
    assert bytes_of(text) == count


@pytest.mark.parametrize("text", ["", "five", "-3", "5X"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="is not a size"):
        bytes_of(text)


def test_byte_counts_are_written_for_people() -> None:
    assert [readable(count) for count in (12, 1536, 3 * 2**30)] == [
        "12 bytes",
        "1.5 KiB",
        "3.0 GiB",
    ]
