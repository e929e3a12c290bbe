"""Pictures from disks, buckets, web servers and lists, under the same limits as ever."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from annotated_samples import picture_file
from loopback import listening
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ovseg_annotate.errors import ImageError, OptionError, RunError
from ovseg_annotate.fleet.pictures import FleetPicture, listed, read_at_most, read_bytes
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.lake import FileState
from ovseg_annotate.run_folder import pictures_in


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    picture_file(tmp_path / "photos" / "a.png", (255, 0, 0))
    picture_file(tmp_path / "photos" / "deep" / "b c.png", (0, 255, 0))
    picture_file(tmp_path / "photos" / ".hidden" / "c.png")
    (tmp_path / "photos" / "notes.doc").write_text("no picture")
    return tmp_path / "photos"


@pytest.fixture
def bucket(photos: Path) -> Iterator[str]:
    memory = fsspec.filesystem("memory")
    memory.put(str(photos), "/bucket", recursive=True)
    yield "memory://bucket"
    memory.rm("/bucket", recursive=True)


@pytest.fixture
def server(photos: Path) -> Iterator[str]:
    app = Starlette(routes=[Mount("/photos", StaticFiles(directory=photos))])
    with listening(app) as address:
        yield f"{address}/photos"


def names(pictures: list[FleetPicture]) -> list[str]:
    return [picture.name for picture in pictures]


def test_a_folder_gives_the_pictures_that_a_single_machine_finds(photos: Path) -> None:
    found = listed([str(photos)], leave_out="labels")
    assert names(found) == [picture.name for picture in pictures_in([photos])]
    assert found[0].file.bytes == (photos / "a.png").stat().st_size


def test_a_bucket_gives_the_same_names_and_bytes(photos: Path, bucket: str) -> None:
    found = listed([bucket], leave_out=f"{bucket}/labels")
    assert names(found) == ["a.png", "deep/b c.png"]
    assert read_bytes(found[0], ReadingOptions()).data == (photos / "a.png").read_bytes()


def test_what_lies_in_the_lake_is_no_picture(bucket: str, photos: Path) -> None:
    assert names(listed([bucket], leave_out=f"{bucket}/deep")) == ["a.png"]
    assert names(listed([str(photos)], leave_out=str(photos / "deep"))) == ["a.png"]


def test_one_picture_of_a_bucket_can_be_named(bucket: str) -> None:
    assert names(listed([f"{bucket}/a.png"], leave_out="labels")) == ["a.png"]


def test_a_list_names_addresses_and_paths(server: str, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(
        f"# two of them\n{server}/a.png\n\n{photos / 'deep' / 'b c.png'}\n"
    )
    found = listed([str(tmp_path / "list.txt")], leave_out="labels")
    host = server.removeprefix("http://")
    assert names(found) == [f"{host}/a.png", f"{photos}/deep/b c.png".lstrip("/")]
    contents = [read_bytes(each, ReadingOptions()).data for each in found]
    assert contents == [(photos / "a.png").read_bytes(), (photos / "deep/b c.png").read_bytes()]


def test_passwords_and_signatures_are_no_part_of_a_name(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("https://me:secret@example.org/a%20b.png?signature=1\n")
    assert names(listed([str(tmp_path / "list.txt")], leave_out="labels")) == [
        "example.org/a b.png"
    ]


def test_a_missing_file_of_a_server_is_told(server: str) -> None:
    missing = FleetPicture("x.png", FileState(f"{server}/x.png", None, ""))
    with pytest.raises(ImageError, match="there is no such file"):
        read_bytes(missing, ReadingOptions())


def test_a_server_that_does_not_answer_is_told() -> None:
    away = FleetPicture("x.png", FileState("http://127.0.0.1:9/x.png", None, ""))
    with pytest.raises(ImageError, match=r"no such file \(.*connect.*--retry-failed"):
        read_bytes(away, ReadingOptions())


def test_a_listed_size_over_the_limit_is_refused_unread(photos: Path) -> None:
    (first, _) = listed([str(photos)], leave_out="labels")
    with pytest.raises(ImageError, match="at most 10 are read"):
        read_bytes(first, ReadingOptions(maximum_bytes=10))


def test_no_more_is_read_of_an_unlisted_size_than_tells_that_it_is_too_much(photos: Path) -> None:
    (first, _) = listed([str(photos)], leave_out="labels")
    unlisted = dataclasses.replace(first, file=FileState(first.file.source, None, ""))
    assert len(read_bytes(unlisted, ReadingOptions(maximum_bytes=10)).data) == 11


def test_what_is_too_large_to_be_carried_is_left_to_the_worker(photos: Path) -> None:
    (first, _) = listed([str(photos)], leave_out="labels")
    unlisted = dataclasses.replace(first, file=FileState(first.file.source, None, ""))
    for picture in (first, unlisted):
        assert read_at_most(picture, ReadingOptions(), most=20) is None
        assert read_at_most(picture, ReadingOptions(), most=10_000) is not None


def test_two_pictures_of_one_name_are_refused(photos: Path, bucket: str) -> None:
    with pytest.raises(RunError, match=r"would both be called 'a\.png'"):
        listed([str(photos), bucket], leave_out="labels")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("memory://nothing", ImageError, "no pictures in what was named"),
        ("nothing.txt", ImageError, "cannot be read as a list"),
        ("nowhere://photos", OptionError, "nowhere:// is not known"),
        ("memory://nothing/a.png", ImageError, "cannot be found"),
    ],
)
def test_places_without_pictures_are_named(
    given: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        listed([given], leave_out="labels")
