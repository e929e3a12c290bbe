"""Saving layers and opening what was saved; what is not ours is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from annotated_layers import PROVENANCE, WORDS, labels_with_a_hole, picture
from PIL import Image as PillowImage

from napari_plugin import writers
from napari_plugin.annotation_files import FileKind, kind_of
from napari_plugin.export_kinds import ExportKind
from napari_plugin.exports import export_pictures
from napari_plugin.layer_data import LayerData, layers_of
from napari_plugin.layer_reading import origin_in
from napari_plugin.readers import MOST_PICTURES, get_reader, read_layers
from ovseg_annotate.errors import FormatError
from ovseg_annotate.formats import masks

WRITERS: dict[str, Callable[[str, list[LayerData]], list[str]]] = {
    "a.coco.json": writers.write_coco,
    "a.tasks.json": writers.write_label_studio,
    "a.ovseg.json": writers.write_record,
    "a.mask.png": writers.write_mask,
    "a.mask.tif": writers.write_mask,
}
KINDS = {
    "a.coco.json": FileKind.COCO,
    "a.tasks.json": FileKind.LABEL_STUDIO,
    "a.ovseg.json": FileKind.RECORD,
    "a.mask.png": FileKind.MASK,
    "a.mask.tif": FileKind.MASK,
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("source", ["labels", "polygons"])
def test_what_was_saved_opens_again_with_names_and_pixels(
    tmp_path: Path, name: str, source: str
) -> None:
    labels, polygons = layers_of(picture())
    (path,) = WRITERS[name](str(tmp_path / name), [labels if source == "labels" else polygons])
    assert kind_of(Path(path)) is KINDS[name]
    reader = get_reader(path)
    assert reader is not None
    (pixels, keywords, kind), (vertices, shapes, other) = reader(path)
    assert (kind, other) == ("labels", "shapes")
    number_of = {concept: label for label, concept in enumerate(keywords["features"]["class"])}
    for label, concept in ((1, "zebra"), (2, "apple")):
        # Polygons may be simplified by half a pixel on the way into COCO and Label Studio.
        wrong = (labels_with_a_hole() == label) != (pixels == number_of[concept])
        assert np.count_nonzero(wrong) <= 8
    assert len(vertices) == len(shapes["edge_color"]) == len(shapes["features"]["class"])


@pytest.mark.parametrize("name", WRITERS)
def test_the_provenance_is_kept_by_every_format(tmp_path: Path, name: str) -> None:
    (path,) = WRITERS[name](str(tmp_path / name), layers_of(picture()))
    origin = origin_in(read_layers(path)[0][1], path)
    assert origin is not None
    assert origin.provenance == PROVENANCE
    assert origin.picture == "a.png"


@pytest.mark.parametrize("name", ["a.tasks.json", "a.ovseg.json", "a.mask.png", "a.mask.tif"])
def test_all_words_are_kept_phrases_and_colours_included(tmp_path: Path, name: str) -> None:
    (path,) = WRITERS[name](str(tmp_path / name), layers_of(picture()))
    origin = origin_in(read_layers(path)[0][1], path)
    assert origin is not None
    assert origin.vocabulary == WORDS


@pytest.mark.parametrize("name", ["a.mask.png", "a.mask.tif"])
def test_a_mask_keeps_every_pixel(tmp_path: Path, name: str) -> None:
    (path,) = WRITERS[name](str(tmp_path / name), [layers_of(picture())[0]])
    assert np.array_equal(read_layers(path)[0][0], labels_with_a_hole())


def test_a_stack_becomes_one_tiff_and_no_png(tmp_path: Path) -> None:
    stack = np.stack([labels_with_a_hole(), labels_with_a_hole().T[:40, :60].repeat(2, 1)[:, :60]])
    layer: LayerData = (stack, {"name": "stack"}, "labels")
    (path,) = writers.write_mask(str(tmp_path / "s.mask.tif"), [layer])
    assert np.array_equal(read_layers(path)[0][0], stack)
    with pytest.raises(FormatError, match=r"name a file \.mask\.tif"):
        writers.write_mask(str(tmp_path / "s.mask.png"), [layer])


def test_masks_of_an_export_open_by_their_list_of_labels(tmp_path: Path) -> None:
    masks.write([picture()], tmp_path)
    layers = read_layers(str(tmp_path / "labels.csv"))
    assert np.array_equal(layers[0][0], labels_with_a_hole())


def test_a_mask_of_another_program_is_named_by_its_numbers(tmp_path: Path) -> None:
    path = tmp_path / "theirs.mask.png"
    PillowImage.fromarray(labels_with_a_hole()).save(path)
    labels = read_layers(str(path))[0]
    assert labels[1]["features"]["class"] == ["unlabelled", "label 1", "label 2"]


def test_numbered_objects_open_without_names(tmp_path: Path) -> None:
    path = tmp_path / "objects.mask.tif"
    tifffile.imwrite(path, np.arange(3600, dtype=np.uint16).reshape(60, 60))
    ((data, keywords, kind),) = read_layers(str(path))
    assert (kind, keywords) == ("labels", {"name": "objects"})
    assert data.max() == 3599


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "[]",
        "{}",
        "[1, 2]",
        '{"images": [{"width": 3}]}',
        '[{"data": {}}]',
        '{"type": "FeatureCollection", "features": []}',
        '{"kind": "youtube#video"}',
        '{"made_from": "milk"}',
        '{"images": 3}',
    ],
)
def test_json_of_another_kind_is_declined_quietly(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    assert get_reader(str(path)) is None


def test_a_photograph_called_mask_is_declined(tmp_path: Path) -> None:
    path = tmp_path / "a.mask.png"
    PillowImage.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    assert get_reader(str(path)) is None
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert get_reader(str(path)) is None
    assert get_reader(str(tmp_path / "not there.json")) is None
    assert get_reader([]) is None


def test_a_table_that_is_no_list_of_labels_is_declined(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("a,b\n1,2\n")
    assert get_reader(str(path)) is None


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_was_cut_off_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    (path,) = WRITERS[name](str(tmp_path / name), layers_of(picture()))
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(FormatError, match=name.replace(".", r"\.")):
        read_layers(path)


def test_too_many_pictures_for_layers_say_where_to_go(tmp_path: Path) -> None:
    pictures = [picture(name=f"{number}.png") for number in range(MOST_PICTURES + 1)]
    path = export_pictures(pictures, ExportKind.COCO, tmp_path / "many.json")
    with pytest.raises(FormatError, match="Folder review"):
        read_layers(str(path))


def test_several_files_open_together(tmp_path: Path) -> None:
    paths = [
        str(export_pictures([picture(name=f"{n}.png")], ExportKind.RECORD, tmp_path / f"{n}.json"))
        for n in range(2)
    ]
    reader = get_reader(paths)
    assert reader is not None
    assert len(reader(paths)) == 4


def test_a_folder_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, write in WRITERS.items():
        with pytest.raises(FormatError, match="cannot write"):
            write(str(tmp_path / "file" / name), layers_of(picture()))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_saving_leaves_one_file(tmp_path: Path) -> None:
    writers.write_coco(str(tmp_path / "a.coco.json"), layers_of(picture()))
    assert [path.name for path in tmp_path.iterdir()] == ["a.coco.json"]


def test_what_a_person_drew_is_an_annotation_in_label_studio(tmp_path: Path) -> None:
    (path,) = writers.write_label_studio(
        str(tmp_path / "a.tasks.json"), layers_of(picture(by_a_person=True))
    )
    (task,) = json.loads(Path(path).read_text())
    assert "annotations" in task
    assert "predictions" not in task
