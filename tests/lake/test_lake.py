"""Parts are there as a whole or not at all, and no picture is there twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from annotated_samples import annotated, settings
from buckets import Bucket, opened_bucket

from ovseg_annotate.errors import ImageError, OptionError, RunError
from ovseg_annotate.fleet.pictures import listed, read_bytes
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.lake import Answer, FileState, Lake, LakeReader, Storage, held, is_lake
from ovseg_annotate.lake.lake import parts_in
from ovseg_annotate.lake.schema import Table
from ovseg_annotate.run_folder import RunFolder, RunReader

FILE = FileState("/photos/a.png", 123, "1")
SETTINGS = settings()


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with opened_bucket() as bucket:
        yield bucket


@pytest.fixture(params=["disk", "memory", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A lake's address, on a disk, in memory and in a bucket."""
    if request.param == "disk":
        yield str(tmp_path / "lake")
        return
    if request.param == "bucket":
        request.getfixturevalue("bucket")
        yield f"s3://ours/{tmp_path.name}"
        return
    yield "memory://tests/lake"
    Storage("memory://tests").remove_folder("lake")


def adopted(place: str, *, replace: bool = False, **changes: object) -> Lake:
    return Lake.adopted(Storage(place), settings(**changes), 4, replace=replace)


def good(name: str, concept: str = "red") -> Answer:
    return Answer(name, FILE, "ab", annotated(name, concept))


def bad(name: str) -> Answer:
    return Answer(name, FILE, "", None, error="cut off")


def names_in(place: str) -> list[str]:
    return [image.name for image in LakeReader(place).images()]


def test_pictures_come_in_the_order_of_a_run_folder_whatever_part_they_are_in(place: str) -> None:
    lake = adopted(place)
    lake.write_part([good("c.png"), good("a/z.png"), good("a.png")])
    lake.write_part([good("b.png"), good("a/b/c.png")])
    assert names_in(place) == ["a/b/c.png", "a/z.png", "a.png", "b.png", "c.png"]


def test_writing_a_part_again_changes_nothing(place: str) -> None:
    lake = adopted(place)
    first = lake.write_part([good("a.png"), good("b.png")])
    before = {name: lake.storage.read(name) for name in lake.storage.names("", ".parquet")}
    assert lake.write_part([good("b.png"), good("a.png")]) == first
    after = {name: lake.storage.read(name) for name in lake.storage.names("", ".parquet")}
    assert after == before
    assert len(before) == 3


def test_a_failed_picture_is_replaced_beside_those_that_stay(place: str) -> None:
    lake = adopted(place)
    part = lake.write_part([good("a.png"), bad("b.png"), good("c.png", "green")])
    assert LakeReader(place).failed == 1
    assert lake.write_part([good("b.png")], kept=["a.png", "c.png"]) == part
    reader = LakeReader(place)
    found = {image.name: image.regions[0].concept for image in reader.images()}
    assert found == {"a.png": "red", "b.png": "red", "c.png": "green"}
    assert (len(reader), reader.failed) == (3, 0)


def test_a_part_without_its_pictures_is_not_there_and_is_cleared_away(place: str) -> None:
    lake = adopted(place)
    part = lake.write_part([good("a.png")])
    (last,) = lake.storage.names("pictures", ".parquet")
    lake.storage.remove(last)  # as if the command had been killed just before
    assert names_in(place) == []
    assert parts_in(lake.storage, SETTINGS.digest, Table.REGIONS) == [part]
    adopted(place)
    assert lake.storage.names("", ".parquet") == []


def test_other_settings_are_refused_and_named(place: str) -> None:
    adopted(place).write_part([good("a.png")])
    with pytest.raises(RunError, match=r"made with other settings \(model: 'fake@none', now 'b'\)"):
        adopted(place, model="b")
    assert names_in(place) == ["a.png"]


def test_replacing_the_settings_removes_the_answers_of_before(place: str) -> None:
    adopted(place).write_part([good("a.png")])
    lake = adopted(place, replace=True, model="b")
    assert (names_in(place), lake.storage.names("", ".parquet")) == ([], [])


def test_a_lake_keeps_the_size_of_its_parts(place: str) -> None:
    adopted(place)
    again = Lake.adopted(Storage(place), SETTINGS, 99, replace=False)
    assert again.part_pictures == 4


def test_two_lakes_know_nothing_of_each_other(tmp_path: Path) -> None:
    one, other = adopted(str(tmp_path / "one")), adopted(str(tmp_path / "other"))
    one.write_part([good("a.png")])
    other.write_part([good("a.png", "green")])
    found = [
        next(LakeReader(str(tmp_path / name)).images()).regions[0].concept
        for name in ("one", "other")
    ]
    assert found == ["red", "green"]


def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    lake = adopted(str(tmp_path))
    lake.write_part([good("a.png")])
    (path,) = (tmp_path / "regions").rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RunError, match=r"damaged or cut off .* remove the file of part"):
        names_in(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot read the settings"),
        ('{"ovseg_lake": 2, "version": "9.9"}', "is of schema 2; .* use the version .* 9.9"),
        ('{"ovseg_lake": 1, "part_pictures": 3}', "cannot read the settings"),
    ],
)
def test_settings_that_cannot_be_read_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "lake.json").write_text(text)
    with pytest.raises(RunError, match=message):
        LakeReader(str(tmp_path))


def test_a_lake_and_a_run_folder_refuse_each_others_place(tmp_path: Path) -> None:
    adopted(str(tmp_path / "lake"))
    with (
        RunFolder(tmp_path / "lake") as folder,
        pytest.raises(RunError, match=r"is a lake, .*give --fleet to go on with it"),
    ):
        folder.adopt(SETTINGS, replace=True)
    with pytest.raises(RunError, match=r"is a lake, .*this needs a run folder"):
        RunReader(tmp_path / "lake")
    SETTINGS.write(tmp_path)
    with pytest.raises(RunError, match="is a run folder, and a fleet writes a lake"):
        adopted(str(tmp_path))


def test_one_command_at_a_time_works_in_a_lake_on_a_disk(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    with held(storage), pytest.raises(RunError, match="is working in"), held(storage):
        pass


def test_a_place_that_shows_files_half_written_is_refused() -> None:
    with pytest.raises(OptionError, match=r"http:// cannot be written to; allowed: .*s3://"):
        Storage("http://example.org/labels")


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    with pytest.raises(OptionError, match="pip install gcsfs"):
        Storage("gs://bucket/labels").exists("lake.json")


def test_a_bucket_that_does_not_answer_is_no_empty_one() -> None:
    with opened_bucket() as bucket:
        lake = adopted("s3://ours/labels")
        lake.write_part([good("a.png")])
        bucket.files.put_file(__file__, "ours/photos/a b/ü.png")
        (picture,) = listed(["s3://ours/photos"], leave_out="s3://ours/labels")
        assert picture.name == "a b/ü.png"
        assert read_bytes(picture, ReadingOptions()).data == Path(__file__).read_bytes()

        bucket.process.kill()
        bucket.process.wait()
        for asked in (
            lambda: is_lake("s3://ours/labels"),
            lambda: adopted("s3://ours/labels", model="another@one"),
            lambda: lake.write_part([good("b.png")]),
        ):
            with pytest.raises(RunError, match=r"s3://ours/labels/.*What is finished is kept"):
                asked()
        with pytest.raises(ImageError, match="cannot be read"):
            read_bytes(picture, ReadingOptions())


def test_what_is_no_lake_is_told_apart(tmp_path: Path) -> None:
    assert not is_lake(str(tmp_path))
    assert not is_lake("http://example.org/photos")
    with pytest.raises(RunError, match="is not a lake"):
        LakeReader(str(tmp_path))


def test_a_disk_that_refuses_is_explained(tmp_path: Path) -> None:
    lake = adopted(str(tmp_path))
    (tmp_path / "masks").write_text("a file where a folder should be")
    with pytest.raises(RunError, match="What is finished is kept"):
        lake.write_part([dataclasses.replace(good("a.png"))])
