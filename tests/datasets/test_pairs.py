from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ovseg_annotate.datasets.pair_archives import Sample, samples_in
from ovseg_annotate.datasets.pairs import read_pairs
from ovseg_annotate.errors import FormatError, ImageError, OvsegError


def encoded(grey: int, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 4), (grey, grey, grey)).save(file, kind)
    return file.getvalue()


def archive(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


FILES = {
    "shard/0001.jpg": encoded(10, "JPEG"),
    "shard/0001.txt": b"a red star\non sand",
    "shard/0001.json": b'{"caption": "not this one"}',
    "shard/0002.seg.json": b'{"text": "a blue circle", "url": "http://example.com"}',
    "shard/0002.png": encoded(20),
    "shard/0002.json": json.dumps({"caption": "ein gr\u00fcner Kreis"}).encode(),
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for number in range(3):
        Image.new("RGB", (6, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
    rows = [f'{number}.png,"a star, number {number}"' for number in range(3)]
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(["filepath,title", *rows]))
    return path


class TestTables:
    def test_rows_come_in_order_with_their_pictures(self, table: Path) -> None:
        pairs = list(read_pairs(table))
        assert [each.text for each in pairs] == [f"a star, number {number}" for number in range(3)]
        assert [each.image.pixels[0, 0, 0] for each in pairs] == [0, 1, 2]

    def test_tabs_and_other_names_of_the_columns_will_do(self, table: Path) -> None:
        path = table.with_suffix(".tsv")
        path.write_text("id\tCaption\timage\n7\ta  green\u00a0star\t1.png\n")
        (pair,) = read_pairs(path)
        assert pair.text == "a green star"

    def test_a_table_without_the_columns_says_which_it_has(self, table: Path) -> None:
        table.write_text("url,caption\n")
        with pytest.raises(FormatError, match=r"no column named filepath or .*: url, caption"):
            list(read_pairs(table))

    def test_web_addresses_are_not_fetched(self, table: Path) -> None:
        table.write_text("image,text\nhttps://example.com/1.jpg,a star\n")
        with pytest.raises(FormatError, match=r"line 2: .*nothing is downloaded"):
            list(read_pairs(table))

    @pytest.mark.parametrize("row", ["0.png", ",a star", "0.png,  "])
    def test_a_row_that_lacks_something_names_its_line(self, row: str, table: Path) -> None:
        table.write_text(f"image,text\n1.png,a star\n{row}\n")
        pairs = read_pairs(table)
        assert next(pairs).text == "a star"
        with pytest.raises(FormatError, match="line 3"):
            next(pairs)

    def test_pairs_that_cannot_be_read_are_told_and_the_others_come(self, table: Path) -> None:
        (table.parent / "1.png").write_bytes(b"no picture")
        told: list[OvsegError] = []
        assert len(list(read_pairs(table, told.append))) == 2
        (problem,) = told
        assert isinstance(problem, ImageError)
        with pytest.raises(ImageError, match=r"1\.png"):
            list(read_pairs(table))

    def test_bytes_that_are_no_text_are_an_error_even_when_pairs_may_be_skipped(
        self, table: Path
    ) -> None:
        table.write_bytes(b"image,text\n\xff\xfe\n")
        with pytest.raises(FormatError, match="cannot read"):
            list(read_pairs(table, lambda _: None))

    @pytest.mark.parametrize("name", ["pairs.parquet", "", "missing.csv", "missing.tar"])
    def test_anything_else_is_refused(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(FormatError, match=r"\.tar|missing"):
            list(read_pairs(tmp_path / name))


class TestArchives:
    def test_files_of_one_name_are_a_pair_and_plain_text_comes_first(self, tmp_path: Path) -> None:
        one, two = read_pairs(archive(tmp_path / "0.tar", FILES))
        assert one.text == "a red star on sand"
        assert two.text == "ein gr\u00fcner Kreis"
        assert two.image.pixels.max() == 20
        assert two.name.endswith("0.tar: shard/0002")

    def test_the_archives_of_a_folder_come_by_name(self, tmp_path: Path) -> None:
        for number in (2, 0, 1):
            files = {"a.png": encoded(number), "a.txt": str(number).encode()}
            archive(tmp_path / f"{number}.tar", files)
        assert [each.text for each in read_pairs(tmp_path)] == ["0", "1", "2"]

    def test_a_compressed_archive_is_read(self, tmp_path: Path) -> None:
        path = archive(tmp_path / "0.tar", FILES, "w:gz")
        assert len(list(read_pairs(path))) == 2

    @pytest.mark.parametrize("lacking", ["png", "txt"])
    def test_a_pair_that_lacks_a_half_says_what_it_has(self, lacking: str, tmp_path: Path) -> None:
        files = {"a.png": encoded(1), "a.txt": b"a star", "a.cls": b"3"}
        del files[f"a.{lacking}"]
        with pytest.raises(FormatError, match=r"0\.tar: a has .*\.cls"):
            list(read_pairs(archive(tmp_path / "0.tar", files)))

    @pytest.mark.parametrize("record", [b"{", b'{"url": "x"}', b"[]"])
    def test_a_record_without_a_caption_is_refused(self, record: bytes, tmp_path: Path) -> None:
        files = {"a.png": encoded(1), "a.json": record}
        with pytest.raises(FormatError, match=r"0\.tar: a"):
            list(read_pairs(archive(tmp_path / "0.tar", files)))

    @given(data=st.data())
    def test_a_cut_archive_gives_its_whole_samples_and_then_an_error(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = archive(tmp_path_factory.mktemp("cut") / "0.tar", FILES)
        content = path.read_bytes()
        with tarfile.open(path) as tar:
            end = max(member.offset_data + member.size for member in tar)
        path.write_bytes(content[: data.draw(st.integers(1, end))])
        samples: list[Sample] = []
        with pytest.raises(FormatError, match="damaged or cut off"):
            samples.extend(samples_in(path))
        assert [each.picture for each in samples] in ([], [FILES["shard/0001.jpg"]])

    def test_an_archive_cut_between_two_files_does_not_pass_for_a_whole_one(
        self, tmp_path: Path
    ) -> None:
        path = archive(tmp_path / "0.tar", FILES)
        with tarfile.open(path) as tar:
            place = tar.getmember("shard/0002.seg.json").offset
        path.write_bytes(path.read_bytes()[:place])
        with pytest.raises(FormatError, match=f"cut off behind {place:,} bytes"):
            list(samples_in(path))

    def test_a_damaged_header_does_not_pass_for_the_end(self, tmp_path: Path) -> None:
        path = archive(tmp_path / "0.tar", FILES)
        with tarfile.open(path) as tar:
            place = tar.getmember("shard/0002.png").offset
        content = bytearray(path.read_bytes())
        content[place : place + 8] = b"\xff" * 8
        path.write_bytes(content)
        with pytest.raises(FormatError, match="damaged or cut off"):
            list(samples_in(path))
