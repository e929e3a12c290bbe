"""Which pictures a run is about."""

from __future__ import annotations

from pathlib import Path

import pytest
from annotated_samples import picture_file

from ovseg_annotate.errors import ImageError, RunError
from ovseg_annotate.run_folder import pictures_in


def test_names_are_relative_to_the_folder_that_was_named(tmp_path: Path) -> None:
    picture_file(tmp_path / "in" / "deep" / "b.png")
    picture_file(tmp_path / "in" / "a.png")
    assert [each.name for each in pictures_in([tmp_path / "in"])] == ["a.png", "deep/b.png"]


def test_a_single_file_goes_by_its_own_name(tmp_path: Path) -> None:
    path = picture_file(tmp_path / "in" / "a.png")
    assert [each.name for each in pictures_in([path])] == ["a.png"]


def test_what_lies_in_the_run_folder_is_no_picture(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    picture_file(tmp_path / "labels" / "masks" / "a.png")
    names = [each.name for each in pictures_in([tmp_path], leave_out=tmp_path / "labels")]
    assert names == ["a.png"]


def test_a_folder_named_twice_counts_once(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    assert len(pictures_in([tmp_path, tmp_path])) == 1


def test_two_pictures_of_one_name_are_refused_by_both_paths(tmp_path: Path) -> None:
    one, two = picture_file(tmp_path / "1" / "a.png"), picture_file(tmp_path / "2" / "a.png")
    with pytest.raises(RunError) as refused:
        pictures_in([one, two])
    assert str(one) in str(refused.value)
    assert str(two) in str(refused.value)


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no file or folder .*nowhere"):
        pictures_in([tmp_path / "nowhere"])


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        pictures_in([tmp_path])
