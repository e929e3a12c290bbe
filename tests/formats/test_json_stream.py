"""Big JSON files, element by element."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.json_stream import element_at, elements

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def walked(path: Path, text: str) -> list[tuple[str, object]]:
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return [(element.key, element.field.value) for element in elements(path)]


@settings(deadline=None)
@given(st.lists(values, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_the_elements_of_a_list_are_those_of_json(
    tmp_path_factory: pytest.TempPathFactory, items: list[object], indent: int | None, ascii_: bool
) -> None:
    if not ascii_:
        items = json.loads(json.dumps(items).replace("\\ud", "\\uc"))
    text = json.dumps(items, indent=indent, ensure_ascii=ascii_)
    path = tmp_path_factory.getbasetemp() / "list.json"
    assert walked(path, text) == [("", item) for item in json.loads(text)]


def test_lists_of_an_object_come_piece_by_piece_and_the_rest_whole(tmp_path: Path) -> None:
    text = '\ufeff {"info": {"a": [1]}, "images": [1, {"b": "]"}], "empty": [], "n": 12.5}\n'
    assert walked(tmp_path / "a.json", text) == [
        ("info", {"a": [1]}),
        ("images", 1),
        ("images", {"b": "]"}),
        ("n", 12.5),
    ]


def test_elements_longer_than_what_is_read_at_once_come_whole(tmp_path: Path) -> None:
    items = [{"text": "größer " * 30_000, "numbers": list(range(40_000))}, 123456789, "ü" * 70_000]
    text = json.dumps(items, ensure_ascii=False)
    assert walked(tmp_path / "a.json", text) == [("", item) for item in items]


def test_places_find_the_same_elements_again(tmp_path: Path) -> None:
    items = [{"name": "Straße 🚲 " * (number % 7), "n": number} for number in range(5000)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"x": items}, ensure_ascii=False), encoding="utf-8")
    places = [(element.start, element.length) for element in elements(path)]
    with path.open("rb") as file:
        again = [element_at(file, *place, "again").value for place in places]
    assert again == items


@pytest.mark.parametrize(
    "text",
    ["", "3", '"a"', "[1, 2", "[1 2]", "[1],", '{"a" 1}', '{"a": [1, }', "{1: 2}", "[NaN]",
     '{"a": Infinity}', "[" * 100_000, "[1]]", '{"a": [1]', '["a', "[" + "9" * 5000 + "]"],
    ids=range(16),
)  # fmt: skip
def test_what_is_no_json_is_refused_with_the_file_and_the_place(tmp_path: Path, text: str) -> None:
    with pytest.raises(FormatError, match=r"bad\.json is not valid JSON at byte \d+"):
        walked(tmp_path / "bad.json", text)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(b'["\xff\xfe"]')
    with pytest.raises(FormatError, match="utf-8"):
        list(elements(path))


def test_a_missing_file_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"cannot read .*none\.json"):
        list(elements(tmp_path / "none.json"))
