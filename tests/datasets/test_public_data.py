"""The layouts of public data sets, read from tiny trees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import public_trees as trees
import pytest

from ovseg_annotate.datasets.catalogue import PUBLIC_DATA
from ovseg_annotate.datasets.protocol import Background
from ovseg_annotate.errors import FormatError, ImageError, OptionError

# Names of the labels from top to bottom and left to right, "" where pixels do not count.
EXPECTED: dict[tuple[str, str], list[list[str]]] = {
    ("voc", "pas20"): [["cat", "", "dog"], [""]],
    ("voc", "pas20b"): [["cat", "", "dog"], ["background"]],
    ("voc", "voc21"): [["cat", "", "dog"], ["background"]],
    ("pascal-context", "c59"): [["wall"], [""], ["sky", ""]],
    ("pascal-context", "c60"): [["wall"], ["background"], ["sky", "background"]],
    ("pascal-context", "c459"): [["wall"], ["accordion"], ["sky", ""]],
    ("ade20k", "a150"): [["wall"], ["building"], [""]],
    ("ade20k", "a847"): [["wall"], ["fan (2)"], [""]],
    ("coco-stuff", "stuff171"): [["person"], ["wall-brick"], ["sky-other", ""]],
    ("coco-stuff", "object81"): [["person"], ["background"], ["background", "background"]],
    ("cityscapes", "city19"): [["road"], ["car", "bicycle"], [""]],
}


def test_every_protocol_of_every_data_set_has_a_tree_here() -> None:
    assert set(trees.TREES) == {
        (kind, protocol) for kind, data in PUBLIC_DATA.items() for protocol in data.protocols
    }


@pytest.mark.parametrize(("kind", "protocol"), EXPECTED)
def test_values_get_the_names_and_the_rules_of_the_protocol(
    kind: str, protocol: str, tmp_path: Path
) -> None:
    labelled = trees.opened(kind, protocol, tmp_path / "data")
    picture = trees.first(labelled)
    rows = EXPECTED[kind, protocol]
    legend = [name for row in rows for name in row]
    numbers, number = [], 0
    for row in rows:
        numbers.append(list(range(number, number + len(row))))
        number += len(row)
    expected = [legend[place] for place in trees.values(*numbers).ravel().tolist()]
    assert trees.named(labelled, picture) == expected
    assert picture.pixels.shape == (trees.SIZE.height, trees.SIZE.width, 3)


@pytest.mark.parametrize(("kind", "protocol"), trees.TREES)
def test_as_many_pictures_come_as_are_counted_and_again_the_same(
    kind: str, protocol: str, tmp_path: Path
) -> None:
    labelled = trees.opened(kind, protocol, tmp_path / "data")
    once, again = list(labelled.pictures()), list(labelled.pictures())
    assert len(once) == len(again) == labelled.count > 0
    for one, other in zip(once, again, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize(("kind", "protocol"), trees.TREES)
def test_background_stands_last_where_it_is_a_concept(
    kind: str, protocol: str, tmp_path: Path
) -> None:
    rules = trees.opened(kind, protocol, tmp_path / "data").protocol
    names = [each.name for each in rules.concepts]
    counts = rules.background is not Background.IGNORED
    assert names.count("background") == counts
    assert not counts or names[-1] == "background"
    assert rules.name == protocol


@pytest.mark.parametrize("kind", PUBLIC_DATA)
def test_a_wrong_protocol_lists_those_there_are(kind: str, tmp_path: Path) -> None:
    allowed = PUBLIC_DATA[kind].protocols
    with pytest.raises(OptionError, match=r"'p99' is none of") as caught:
        PUBLIC_DATA[kind].open(tmp_path, "p99")
    assert all(protocol in str(caught.value) for protocol in allowed)


@pytest.mark.parametrize(("kind", "protocol"), trees.TREES)
def test_an_empty_or_missing_folder_shows_what_the_layout_looks_like(
    kind: str, protocol: str, tmp_path: Path
) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FormatError, match=r"\n +\S+"):
            PUBLIC_DATA[kind].open(folder, protocol)


@pytest.mark.parametrize(("kind", "protocol"), trees.TREES)
def test_the_folder_above_will_do_where_the_name_is_the_usual_one(
    kind: str, protocol: str, tmp_path: Path
) -> None:
    usual = {
        "voc": "VOCdevkit/VOC2012",
        "pascal-context": "VOCdevkit/VOC2010",
        "ade20k": "ADEChallengeData2016" if protocol == "a150" else "ADE20K_2021_17_01",
    }.get(kind, kind.partition("-")[0])
    trees.TREES[kind, protocol](tmp_path / usual)
    assert PUBLIC_DATA[kind].open(tmp_path, protocol).count > 0


MISSING = {
    "ImageSets/Segmentation/val.txt": ("voc", "pas20"),
    "ImageSets/Main/val.txt": ("pascal-context", "c59"),
    "labels.txt": ("pascal-context", "c459"),
    "objectInfo150.txt": ("ade20k", "a150"),
    "ade847.json": ("ade20k", "a847"),
    "annotations/validation/ADE_val_00000002.png": ("ade20k", "a150"),
    "stuffthingmaps/val2017/000000000001.png": ("coco-stuff", "stuff171"),
    "gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelIds.png": ("cityscapes", "city19"),
}


@pytest.mark.parametrize("file", MISSING)
def test_a_missing_file_is_named_before_any_picture_is_read(file: str, tmp_path: Path) -> None:
    kind, protocol = MISSING[file]
    tree = trees.TREES[kind, protocol](tmp_path / "data")
    (tree / file).unlink()
    with pytest.raises(FormatError, match=Path(file).stem):
        PUBLIC_DATA[kind].open(tree, protocol)


@pytest.mark.parametrize("name", ["/etc/passwd", "../../2007_000033", "C:\\\\x"])
def test_a_list_leads_to_no_picture_elsewhere(name: str, tmp_path: Path) -> None:
    tree = trees.TREES["voc", "voc21"](tmp_path)
    names = tree / "ImageSets/Segmentation/val.txt"
    names.write_text(f"2007_000033\n{name}\n")
    with pytest.raises(FormatError, match=r"val\.txt, line 2: .* is no path inside a folder"):
        PUBLIC_DATA["voc"].open(tree, "voc21")


def test_the_pictures_of_coco_are_in_its_folder(tmp_path: Path) -> None:
    trees.TREES["coco", "things80"](tmp_path)
    (annotations,) = tmp_path.rglob("instances_val2017.json")
    text = annotations.read_text()
    assert "000000000001.jpg" in text
    annotations.write_text(text.replace("000000000001.jpg", "../000000000001.jpg"))
    with pytest.raises(FormatError, match=r"instances_val2017\.json: .* no path inside"):
        list(PUBLIC_DATA["coco"].open(tmp_path, "things80").pictures())


def test_a_picture_that_is_not_there_is_named_when_it_is_read(tmp_path: Path) -> None:
    labelled = trees.opened("voc", "pas20", tmp_path)
    (tmp_path / "JPEGImages/2008_000002.jpg").unlink()
    with pytest.raises(ImageError, match=r"2008_000002\.jpg"):
        list(labelled.pictures())


@pytest.mark.parametrize(
    ("kind", "protocol", "file"),
    [
        ("voc", "voc21", "SegmentationClass/2007_000033.png"),
        ("pascal-context", "c59", "trainval/2008_000008.mat"),
        ("ade20k", "a847", "annotations_detectron2/validation/ADE_val_1.tif"),
        ("coco-stuff", "stuff171", "stuffthingmaps/val2017/000000000001.png"),
    ],
)
class TestWrongLabelMaps:
    def test_a_value_outside_the_table_names_file_and_value(
        self, kind: str, protocol: str, file: str, tmp_path: Path
    ) -> None:
        labelled = trees.opened(kind, protocol, tmp_path)
        value = 200 if file.endswith(".png") else 900
        trees.label_map(tmp_path / file, trees.values(value))
        with pytest.raises(FormatError, match=rf"{Path(file).stem}.* has value {value}"):
            trees.first(labelled)

    def test_a_damaged_map_is_named(
        self, kind: str, protocol: str, file: str, tmp_path: Path
    ) -> None:
        labelled = trees.opened(kind, protocol, tmp_path)
        content = (tmp_path / file).read_bytes()
        (tmp_path / file).write_bytes(content[: len(content) // 2])
        with pytest.raises(ImageError, match=f"cannot read the label map.*{Path(file).name}"):
            trees.first(labelled)

    def test_a_map_of_another_size_is_refused(
        self, kind: str, protocol: str, file: str, tmp_path: Path
    ) -> None:
        labelled = trees.opened(kind, protocol, tmp_path)
        labels = trees.values(0, size=trees.Size(height=20, width=24))
        trees.label_map(tmp_path / file, labels)
        with pytest.raises(ImageError, match="24 x 20 px"):
            trees.first(labelled)


def test_a_map_in_colours_is_refused(tmp_path: Path) -> None:
    labelled = trees.opened("voc", "pas20", tmp_path)
    path = tmp_path / "SegmentationClass/2007_000033.png"
    trees.picture(path)
    with pytest.raises(ImageError, match="one whole number a pixel"):
        trees.first(labelled)


def test_a_matlab_file_of_something_else_says_what_it_holds(tmp_path: Path) -> None:
    labelled = trees.opened("pascal-context", "c459", tmp_path)
    trees.savemat(tmp_path / "trainval/2008_000008.mat", {"Labels": np.zeros((2, 2))})
    with pytest.raises(FormatError, match="no LabelMap; it holds: Labels"):
        trees.first(labelled)
