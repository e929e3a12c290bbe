from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from annotated_samples import annotated, picture_file

from ovseg_annotate.datasets.corrected import Corrected, corrected_in_export, corrected_set
from ovseg_annotate.datasets.protocol import Background
from ovseg_annotate.errors import FormatError, ImageError
from ovseg_annotate.formats.catalogue import FORMATS
from ovseg_annotate.geometry import Polygon
from ovseg_annotate.regions import AnnotatedImage, Region
from ovseg_annotate.vocabulary import Vocabulary

RIGHT_HALF = Polygon(np.array([[16.0, 0.0], [32.0, 0.0], [32.0, 24.0], [16.0, 24.0]]))


def corrections(folder: Path, *images: AnnotatedImage) -> Iterator[Corrected]:
    for image in images:
        yield Corrected(picture_file(folder / image.name), image)


def test_regions_are_the_truth_and_the_rest_is_no_concept(tmp_path: Path) -> None:
    labelled = corrected_set("mine", lambda: corrections(tmp_path, annotated()))
    protocol = labelled.protocol
    assert [each.name for each in protocol.concepts] == ["red", "green"]
    assert [each.name for each in protocol.competing] == ["blue"]
    assert protocol.background is Background.OPEN
    (picture,) = labelled.pictures()
    assert (picture.labels[:, :16] == 0).all()
    assert (picture.labels[:, 16:] == 1).all()
    assert picture.instances is not None
    (instance,) = picture.instances
    assert instance.mask is not None
    assert instance.mask.area == 16 * 24


def test_pictures_with_other_words_share_all_of_them(tmp_path: Path) -> None:
    words = Vocabulary.parse("Green; leaf vein")
    region = Region("Green", (RIGHT_HALF,), None)
    other = replace(annotated("b.png"), regions=(region,), vocabulary=words)
    labelled = corrected_set("mine", lambda: corrections(tmp_path, annotated(), other))
    assert [each.name for each in labelled.protocol.concepts] == ["red", "green", "leaf vein"]
    assert labelled.count == 2
    _, second = labelled.pictures()
    assert second.labels[0, 20] == 2
    assert second.instances is not None
    assert second.instances[0].concept == "green"


def test_negative_regions_are_no_concept(tmp_path: Path) -> None:
    labelled = corrected_set("mine", lambda: corrections(tmp_path, annotated(concept="blue")))
    (picture,) = labelled.pictures()
    assert not picture.labels.any()
    assert picture.instances == ()


def test_no_correction_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(FormatError, match=r"mine has no correction.*napari"):
        corrected_set("mine", lambda: iter(()))


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    image = replace(annotated(), size=replace(annotated().size, width=40))
    labelled = corrected_set("mine", lambda: corrections(tmp_path, image))
    with pytest.raises(ImageError, match="40 x 24 px"):
        list(labelled.pictures())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_be_the_truth(name: str, tmp_path: Path) -> None:
    image = replace(annotated("sub/a.png"), provenance=None)  # a person's
    picture_file(tmp_path / "photos" / "sub" / "a.png")
    FORMATS[name].write([image], tmp_path / "export")
    labelled = corrected_set(
        name, lambda: corrected_in_export(tmp_path / "export", name, tmp_path / "photos")
    )
    (picture,) = labelled.pictures()
    names = ("", *(each.name for each in labelled.protocol.concepts))
    assert {names[label] for label in picture.labels[:, :16].ravel()} == {""}
    assert {names[label] for label in picture.labels[:, 16:].ravel()} == {"red"}


def test_pictures_may_lie_beside_the_export(tmp_path: Path) -> None:
    picture_file(tmp_path / "images" / "a.png")
    FORMATS["coco"].write([annotated()], tmp_path)
    for path in (tmp_path, tmp_path / "annotations.json"):
        (found,) = corrected_in_export(path, "coco", None)
        assert found.picture == tmp_path / "images" / "a.png"


def test_pictures_that_are_nowhere_are_named_with_the_flag_that_helps(tmp_path: Path) -> None:
    FORMATS["coco"].write([annotated()], tmp_path)
    with pytest.raises(FormatError, match=r"about a\.png.*--pictures"):
        list(corrected_in_export(tmp_path, "coco", None))


@pytest.mark.parametrize("name", ["{elsewhere}/a.png", "../elsewhere/a.png"])
def test_an_export_leads_to_no_picture_elsewhere(name: str, tmp_path: Path) -> None:
    picture_file(tmp_path / "elsewhere" / "a.png")
    FORMATS["coco"].write([annotated()], tmp_path / "export")
    file = tmp_path / "export" / "annotations.json"
    there = name.format(elsewhere=tmp_path / "elsewhere")
    file.write_text(file.read_text().replace("a.png", there))
    with pytest.raises(FormatError, match="which is not in"):
        list(corrected_in_export(tmp_path / "export", "coco", None))
    picture_file(tmp_path / "export" / "a.png")  # the name alone will do, as of another machine
    (found,) = corrected_in_export(tmp_path / "export", "coco", None)
    assert found.picture == tmp_path / "export" / "a.png"


def task(name: str, concept: str, **answers: object) -> dict[str, object]:
    """A task of Label Studio on a picture of 32 x 24 px whose right half is labelled."""
    points = [[50, 0], [100, 0], [100, 100], [50, 100]]
    item = {
        "type": "polygonlabels",
        "from_name": "poly",
        "to_name": "image",
        "original_width": 32,
        "original_height": 24,
        "value": {"points": points, "polygonlabels": [concept]},
    }
    held = {name: [{"result": [item]}] for name, is_there in answers.items() if is_there}
    return {"data": {"image": name}, **held}


def test_predictions_of_label_studio_are_nobody_s_truth(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        picture_file(tmp_path / name)
    tasks = [
        task("a.png", "red", predictions=True),
        task("b.png", "green", predictions=True, annotations=True),
        task("c.png", "blue", annotations=True),
    ]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    labelled = corrected_set("mine", lambda: corrected_in_export(tmp_path, "label-studio", None))
    assert [picture.name for picture in labelled.pictures()] == ["b.png", "c.png"]


def test_an_export_without_answers_has_no_truth(tmp_path: Path) -> None:
    picture_file(tmp_path / "a.png")
    (tmp_path / "tasks.json").write_text(json.dumps([task("a.png", "red", predictions=True)]))
    with pytest.raises(FormatError, match="mine has no correction"):
        corrected_set("mine", lambda: corrected_in_export(tmp_path, "label-studio", None))
