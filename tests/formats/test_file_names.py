"""Which file belongs to which picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats.file_names import (
    FileNames,
    Picture,
    files_below,
    picture_table,
    read_picture_table,
    safe_relative,
)
from ovseg_annotate.geometry import Size


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../a.png", "a/../../b.png", "", ".", "C:/a.png", "a\\b.png", "a\0.png"],
)
def test_a_name_that_leads_out_of_the_folder_is_refused(name: str) -> None:
    with pytest.raises(FormatError, match="relative"):
        safe_relative(name)


def test_twins_get_their_whole_names() -> None:
    names = FileNames(twins=True)
    assert [names.stem_of(name) for name in ("x/a.jpg", "x/A.png", "y/a.jpg")] == [
        "x/a",
        "x/A.png",
        "y/a",
    ]


def test_without_twins_the_second_is_refused_by_name() -> None:
    names = FileNames(twins=False)
    names.stem_of("a.jpg")
    with pytest.raises(FormatError, match=r"a\.png"):
        names.stem_of("a.png")


def test_the_same_picture_twice_is_refused() -> None:
    names = FileNames(twins=True)
    for name in ("a.jpg", "a.png"):
        names.stem_of(name)
    with pytest.raises(FormatError, match=r"a\.png"):
        names.stem_of("a.png")


def test_the_table_keeps_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    pictures = [Picture('a, "b"\nÜ.png', Size(3, 4), "masks/a.png"), Picture("c", Size(1, 1), "c")]
    with picture_table(tmp_path) as table:
        for picture in pictures:
            table.add(picture)
    assert list(read_picture_table(tmp_path / "pictures.csv")) == pictures


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,width\na,3\n", "'height' is missing"),
        ("picture,width,height,file\na,x,3,b\n", r"line 2\.width: expected a whole number"),
        ("picture,width,height,file\na,0,3,b\n", "from 1 to"),
        ("picture,width,height,file\na,99999,99999,b\n", "more than 536870912 pixels"),
        ("picture,width,height,file\na,1,1,../b\n", r"line 2: '\.\./b' is no path inside"),
        ("picture,width,height,file\na,3\n", "expected a whole number, got None"),
    ],
)
def test_a_damaged_table_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "pictures.csv"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        list(read_picture_table(path))


def test_hidden_files_are_not_listed(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", ".c.json", "d.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "e.json").write_text("x")
    assert [path.name for path in files_below(tmp_path, ".json")] == ["a.json", "b.json"]
