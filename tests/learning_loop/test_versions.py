from __future__ import annotations

import json
from pathlib import Path

import pytest
from lessons.test_taught import lesson
from lessons.test_version import version

from ovseg_annotate.errors import VersionError
from ovseg_annotate.learning_loop.versions import BASE, IN_SERVICE, Versions
from ovseg_annotate.lessons.version import version_bytes


def some(folder: Path, count: int = 3) -> Versions:
    versions = Versions(folder)
    for number in range(count):
        versions.add(version(lesson(digest=f"{number + 1}" * 64)))
    return versions


def test_versions_are_numbered_as_they_come(tmp_path: Path) -> None:
    versions = some(tmp_path, 11)
    assert versions.names[0] == "v1-11111111"
    assert versions.names[-1].startswith("v11-")


def test_the_same_version_stays_as_it_is(tmp_path: Path) -> None:
    versions = some(tmp_path)
    before = versions.path_of("v2").read_bytes()
    assert versions.add(version(lesson(digest="2" * 64), after=0.9)) == "v2-22222222"
    assert versions.path_of("v2").read_bytes() == before


def test_switches_are_undone_one_by_one(tmp_path: Path) -> None:
    versions = some(tmp_path)
    for name in ("v1", "v3", "v2"):
        versions.use(name)
    assert [versions.roll_back() for _ in range(3)] == ["v3-33333333", "v1-11111111", BASE]
    assert versions.current is None
    with pytest.raises(VersionError, match="nothing to go back to"):
        versions.roll_back()


def test_the_beginning_of_a_name_will_do_where_it_is_the_only_one(tmp_path: Path) -> None:
    versions = some(tmp_path, 11)
    assert versions.path_of("v1").name == "v1-11111111.lesson"
    with pytest.raises(VersionError, match="there is: v"):
        versions.path_of("v99")


def test_a_damaged_version_is_never_put_into_service(tmp_path: Path) -> None:
    versions = some(tmp_path)
    versions.use("v1")
    path = versions.path_of("v2")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(VersionError, match="damaged"):
        versions.use("v2")
    assert versions.in_service.name == "v1-11111111"


def test_a_version_in_service_that_is_gone_is_an_error_and_no_other_version(
    tmp_path: Path,
) -> None:
    versions = some(tmp_path)
    versions.use("v2")
    versions.path_of("v2").unlink()
    with pytest.raises(VersionError, match="there is no version 'v2-22222222'"):
        _ = versions.current
    versions.use("v1")  # and it can be left
    assert versions.in_service.name == "v1-11111111"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 3, "earlier": []}'])
def test_a_damaged_pointer_says_how_to_choose_again(tmp_path: Path, content: bytes) -> None:
    versions = some(tmp_path)
    (tmp_path / IN_SERVICE).write_bytes(content)
    with pytest.raises(VersionError, match="choose one again"):
        _ = versions.in_service
    versions.use("v3")
    assert json.loads((tmp_path / IN_SERVICE).read_text())["version"] == "v3-33333333"


def test_a_version_is_carried_to_another_project(tmp_path: Path) -> None:
    here, there = some(tmp_path / "here"), some(tmp_path / "there", 1)
    here.export("v3", tmp_path / "carried.lesson")
    content = (tmp_path / "carried.lesson").read_bytes()
    assert there.take_in(content, "carried.lesson", "vectors 1") == "v2-33333333"
    assert there.in_service.name == BASE
    assert there.get("v2").card == here.get("v3").card


def test_a_version_of_another_model_is_not_taken_in(tmp_path: Path) -> None:
    content = version_bytes(version())
    with pytest.raises(VersionError, match=r"^x\.lesson: .* does not fit conv"):
        Versions(tmp_path).take_in(content, "x.lesson", "conv 1")
    assert Versions(tmp_path).names == ()


def test_two_projects_side_by_side_share_nothing(tmp_path: Path) -> None:
    one, other = some(tmp_path / "one"), some(tmp_path / "other")
    one.use("v1")
    assert (other.current, other.in_service.earlier) == (None, ())
