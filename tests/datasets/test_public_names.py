"""What the readers of public data sets make of names, conversions and objects."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import public_trees as trees
import pytest

from ovseg_annotate.datasets.catalogue import PUBLIC_DATA
from ovseg_annotate.datasets.cityscapes import CITYSCAPES_19
from ovseg_annotate.datasets.pascal_context import CONTEXT_59
from ovseg_annotate.datasets.voc import VOC_20
from ovseg_annotate.errors import FormatError


class TestNames:
    def test_voc_has_twenty_in_the_order_of_its_values(self) -> None:
        assert len(VOC_20) == 20
        assert list(VOC_20) == sorted(VOC_20)

    def test_pascal_context_has_59_and_39_of_them_are_not_in_voc(self, tmp_path: Path) -> None:
        assert len(CONTEXT_59) == 59
        assert list(CONTEXT_59) == sorted(CONTEXT_59)
        competing = trees.opened("voc", "pas20b", tmp_path).protocol.competing
        assert len(competing) == 39
        assert all(each.negative for each in competing)

    def test_cityscapes_has_nineteen(self) -> None:
        assert len(CITYSCAPES_19) == 19

    def test_words_that_are_none_are_asked_for_by_what_they_mean(self, tmp_path: Path) -> None:
        phrases = {
            each.name: each.phrases
            for each in trees.opened("voc", "pas20", tmp_path).protocol.concepts
        }
        assert phrases["pottedplant"] == ("potted plant",)
        assert phrases["cat"] == ("cat",)

    def test_ade20k_brings_its_own_synonyms(self, tmp_path: Path) -> None:
        concepts = trees.opened("ade20k", "a150", tmp_path).protocol.concepts
        assert [each.phrases for each in concepts] == [
            ("wall",),
            ("building", "edifice"),
            ("screen door", "screen"),
        ]

    def test_stuff_is_asked_for_as_it_is_spoken(self, tmp_path: Path) -> None:
        concepts = trees.opened("coco-stuff", "stuff171", tmp_path).protocol.concepts
        assert {each.name: each.phrases[0] for each in concepts} == {
            "person": "person",
            "sky-other": "sky",
            "wall-brick": "wall brick",
        }

    @pytest.mark.parametrize("line", ["12 street sign", "x: sky", "4:", "1: dog"])
    def test_a_damaged_list_of_names_says_which_line(self, line: str, tmp_path: Path) -> None:
        tree = trees.coco_stuff(tmp_path)
        trees.text(tree / "labels.txt", "1: person", line)
        with pytest.raises(FormatError, match=r"labels\.txt, line 2"):
            PUBLIC_DATA["coco-stuff"].open(tree)

    @pytest.mark.parametrize("value", ["two", "1", ""])
    def test_a_damaged_table_of_ade20k_says_which_line(self, value: str, tmp_path: Path) -> None:
        tree = trees.ade150(tmp_path)
        trees.text(tree / "objectInfo150.txt", "Idx\tName", "1\twall", f"{value}\tsky")
        with pytest.raises(FormatError, match=f"line 3: .*'{value}'"):
            PUBLIC_DATA["ade20k"].open(tree)

    def test_names_that_are_no_list_are_refused(self, tmp_path: Path) -> None:
        tree = trees.ade847(tmp_path)
        (tree / "ade847.json").write_text('{"wall": 1}')
        with pytest.raises(FormatError, match=r"ade847\.json: expected a list"):
            PUBLIC_DATA["ade20k"].open(tree, "a847")
        (tree / "ade847.json").write_text('["wall", " , "]')
        with pytest.raises(FormatError, match=f"^{re.escape(str(tree))}: a concept needs a name"):
            PUBLIC_DATA["ade20k"].open(tree, "a847")

    def test_a_name_missing_from_the_originals_is_named(self, tmp_path: Path) -> None:
        tree = trees.pascal_context(tmp_path)
        trees.text(tree / "labels.txt", "1: wall")
        with pytest.raises(FormatError, match="does not name 'aeroplane'"):
            PUBLIC_DATA["pascal-context"].open(tree, "c60")

    def test_two_categories_of_coco_with_one_name_are_one_concept(self, tmp_path: Path) -> None:
        tree = trees.coco(tmp_path)
        path = tree / "annotations/instances_val2017.json"
        document = path.read_text().replace(
            '"categories": [', '"categories": [{"id": 0, "name": "dog"}, '
        )
        path.write_text(document.replace('"person"', '" a  person"'))
        labelled = PUBLIC_DATA["coco"].open(tree)
        names = trees.named(labelled, trees.first(labelled))
        assert [each.name for each in labelled.protocol.concepts] == [
            "dog",
            "a person",
            "background",
        ]
        assert names[0] == "a person"
        assert names[15 * 40 + 15] == "dog"


class TestConvertedPascalContext:
    @pytest.mark.parametrize(
        ("file", "wall", "rest"),
        [
            ("SegmentationClassContext/2008_000008.png", 56, 0),
            ("annotations_detectron2/pc59_val/2008_000008.png", 55, 255),
        ],
    )
    def test_both_ways_of_counting_give_the_same_labels(
        self, file: str, wall: int, rest: int, tmp_path: Path
    ) -> None:
        trees.picture(tmp_path / "JPEGImages/2008_000008.jpg")
        trees.label_map(tmp_path / file, trees.values(wall, rest))
        trees.text(tmp_path / "ImageSets/SegmentationContext/val.txt", "2008_000008")
        for protocol, named_rest in (("c59", ""), ("c60", "background")):
            labelled = PUBLIC_DATA["pascal-context"].open(tmp_path, protocol)
            assert set(trees.named(labelled, trees.first(labelled))) == {"wall", named_rest}

    def test_459_converted_values_count_from_zero(self, tmp_path: Path) -> None:
        trees.picture(tmp_path / "JPEGImages/1.jpg")
        trees.text(tmp_path / "labels.txt", "1: accordion", "2: aeroplane")
        file = tmp_path / "annotations_detectron2/pc459_val/1.tif"
        trees.label_map(file, trees.values(0, 1, 65535))
        trees.text(tmp_path / "pascalcontext_val.txt", "1")
        labelled = PUBLIC_DATA["pascal-context"].open(tmp_path, "c459")
        assert set(trees.named(labelled, trees.first(labelled))) == {"accordion", "aeroplane", ""}

    def test_a_list_without_any_of_the_maps_is_refused(self, tmp_path: Path) -> None:
        tree = trees.pascal_context(tmp_path)
        trees.text(tree / "ImageSets/Main/val.txt", "2010_000001")
        with pytest.raises(FormatError, match="none of the pictures"):
            PUBLIC_DATA["pascal-context"].open(tree)


class TestInstances:
    def test_objects_of_voc_have_the_concept_below_them(self, tmp_path: Path) -> None:
        picture = trees.first(trees.opened("voc", "voc21", tmp_path))
        assert picture.instances is not None
        assert [each.concept for each in picture.instances] == ["cat", "dog"]
        for each in picture.instances:
            assert each.mask is not None
            assert each.mask.area == (picture.labels == (8 if each.concept == "cat" else 12)).sum()

    def test_voc_without_objects_tells_nothing_apart(self, tmp_path: Path) -> None:
        tree = trees.voc(tmp_path)
        for path in (tree / "SegmentationObject").iterdir():
            path.unlink()
        (tree / "SegmentationObject").rmdir()
        assert trees.first(PUBLIC_DATA["voc"].open(tree)).instances is None

    def test_areas_of_cityscapes_that_nobody_counted_are_no_instances(self, tmp_path: Path) -> None:
        picture = trees.first(trees.opened("cityscapes", "city19", tmp_path))
        assert picture.instances is not None
        assert [each.concept for each in picture.instances] == ["car"]

    def test_crowds_of_coco_are_kept_apart(self, tmp_path: Path) -> None:
        labelled = trees.opened("coco", "object81", tmp_path)
        one, empty = labelled.pictures()
        assert one.instances is not None
        assert [each.concept for each in one.instances] == ["person", "dog"]
        assert [each.concept for each in one.crowds] == ["person"]
        assert empty.instances == ()

    def test_the_smaller_of_two_coco_things_lies_on_top(self, tmp_path: Path) -> None:
        labelled = trees.opened("coco", "object81", tmp_path)
        names = np.array(trees.named(labelled, trees.first(labelled))).reshape(32, 40)
        assert names[0, 0] == "person"
        assert names[15, 15] == "dog"
        assert names[31, 39] == "person"  # the crowd
        assert names[25, 30] == "background"

    def test_what_is_no_thing_of_coco_does_not_count_in_things80(self, tmp_path: Path) -> None:
        labelled = trees.opened("coco", "things80", tmp_path)
        assert "" in trees.named(labelled, trees.first(labelled))
        assert "background" not in {each.name for each in labelled.protocol.concepts}
