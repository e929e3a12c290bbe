"""Annotations from one format into another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from annotated_samples import annotated, fingerprint, picture, settings
from cli.runner import ovseg

from ovseg_annotate.errors import OptionError, RunError
from ovseg_annotate.formats.catalogue import FORMATS
from ovseg_annotate.run_folder import RunFolder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    with RunFolder(tmp_path / "labels") as folder:
        folder.adopt(settings(), replace=False)
        for name in ("a.png", "b.png"):
            taken = picture(tmp_path / "photos" / name)
            folder.save(taken, fingerprint(taken), annotated(name))
    return tmp_path / "labels"


def test_a_run_folder_is_exported_inside_itself(labels: Path) -> None:
    done = ovseg("convert", labels, "--to", "coco,yolo")
    assert done.lines == [str(labels / "coco"), str(labels / "yolo")]
    assert (labels / "yolo" / "data.yaml").is_file()


def test_all_formats_are_written(labels: Path) -> None:
    done = ovseg("convert", labels, "--to", "all")
    assert sorted(Path(line).name for line in done.lines) == sorted(FORMATS)


def test_a_file_changed_by_hand_stays_and_is_named(labels: Path) -> None:
    ovseg("convert", labels, "--to", "yolo")
    (labels / "yolo" / "data.yaml").write_text("by hand")
    done = ovseg("convert", labels, "--to", "yolo")
    assert (labels / "yolo" / "data.yaml").read_text() == "by hand"
    assert "was changed by hand" in done.talk


def test_one_format_becomes_another_through_a_new_folder(labels: Path, tmp_path: Path) -> None:
    ovseg("convert", labels, "--to", "coco")
    done = ovseg(
        *("convert", labels / "coco", "--source-format", "coco"),
        *("--to", "labelme", "--out", tmp_path / "new"),
    )
    assert done.lines == [str(tmp_path / "new")]
    shapes = [
        shape["label"]
        for path in (tmp_path / "new").rglob("*.json")
        for shape in json.loads(path.read_text())["shapes"]
    ]
    assert shapes == ["red", "red"]


def test_options_of_a_format_reach_it(labels: Path) -> None:
    ovseg("convert", labels, "--to", "label-studio")
    ovseg(
        *("convert", labels, "--to", "label-studio"),
        *("--format-options", "label-studio.shapes=brush"),
    )
    text = (labels / "label-studio" / "tasks.json").read_text()
    assert "brushlabels" in text
    assert "polygonlabels" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--to", "cocoo"), "unknown format 'cocoo'; there is: coco"),
        (("--to", "coco", "--format-options", "yolo.x=1"), "'yolo' is not among the formats"),
        (("--to", "coco", "--format-options", "coco"), "write FORMAT.OPTION=VALUE"),
        (("--to", "coco", "--format-options", "coco.nothing=1"), "unknown option 'nothing'"),
    ],
)
def test_wrong_words_are_option_errors_that_say_what_there_is(
    labels: Path, arguments: tuple[str, ...], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        ovseg("convert", labels, *arguments)


def test_a_folder_that_is_no_run_needs_its_format(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--source-format"):
        ovseg("convert", tmp_path, "--to", "coco")


def test_a_folder_with_something_in_it_is_never_written_to(labels: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").write_text("mine")
    with pytest.raises(RunError, match="is not an empty folder"):
        ovseg("convert", labels, "--to", "coco", "--out", tmp_path / "new")
