"""`ovseg evaluate` on public layouts and on corrections, with the bundled model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import public_trees as trees
import pytest
from annotated_samples import annotated, fingerprint, picture, settings
from cli.runner import ovseg
from PIL import Image

from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene
from ovseg_annotate.errors import FormatError, OptionError
from ovseg_annotate.formats import native
from ovseg_annotate.geometry import Size
from ovseg_annotate.run_folder import RunFolder

EASY = SceneRules(style=SceneStyle.EASY, size=Size(height=96, width=96))


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Two scenes in the layout of ADE20K; their names stand in the data set's own table."""
    root = tmp_path / "ADEChallengeData2016"
    names: list[str] = []
    for number in range(2):
        scene = draw_scene(EASY, number)
        table = np.zeros(len(scene.regions) + 1, np.int64)
        for region in scene.regions:
            names += [region.name] if region.name not in names else []
            table[region.label] = names.index(region.name) + 1
        path = root / "images/validation" / f"ADE_val_{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene.pixels).save(path, quality=95)
        labels = root / "annotations/validation" / f"ADE_val_{number}.png"
        trees.label_map(labels, table[scene.instances])
    rows = (f"{value}\t{name}" for value, name in enumerate(names, start=1))
    trees.text(root / "objectInfo150.txt", "Idx\tName", *rows)
    return root


def test_the_bundled_model_labels_scenes_in_the_layout_of_ade20k(scenes: Path) -> None:
    data = ("--data", f"ade20k:{scenes}", "--protocol", "a150")
    answer = ovseg("evaluate", *data, "--scale", "native", "--json")
    (result,) = answer.json["sets"]
    assert result["name"] == "ADEChallengeData2016, a150"
    assert result["scores"]["pictures"] == 2
    assert result["scores"]["unlabelled"] == 0
    assert result["scores"]["mean_iou"] > 0.5
    assert "--protocol a150" in answer.json["conditions"]["command"]
    assert "every pixel gets a concept" in result["protocol"]
    assert result["protocol"] in answer.talk
    conditions = answer.json["conditions"]
    assert (conditions["threshold"], conditions["contrast"]) == (0, "none")


def test_background_is_one_of_the_concepts_of_voc21(tmp_path: Path) -> None:
    tree = trees.voc(tmp_path / "VOC2012")
    data = ("--data", f"voc:{tree}", "--protocol", "voc21,pas20")
    answer = ovseg("evaluate", *data, "--scale", "native", "--json")
    with_background, without = answer.json["sets"]
    concepts = [each["name"] for each in with_background["scores"]["concepts"]]
    assert len(concepts) == 21
    assert "background" in concepts
    assert with_background["scores"]["unlabelled"] == 0
    assert len(without["scores"]["concepts"]) == 20


def test_a_run_folder_is_measured_by_its_corrections_alone(tmp_path: Path) -> None:
    run = tmp_path / "labels"
    pictures = [picture(tmp_path / name) for name in ("a.png", "b.png")]
    with RunFolder(run) as folder:
        folder.adopt(settings(), pictures, replace=False)
        for each in pictures:
            folder.save(each, fingerprint(each), annotated(each.name))
    command = ("evaluate", "--data", f"run:{run}", "--json")
    with pytest.raises(FormatError, match="has no correction"):
        ovseg(*command)
    corrected = native.Record(annotated("a.png"), native.Kind.CORRECTION)
    native.write_record(run / "records" / "a.png.json", corrected)
    (result,) = ovseg(*command, "--pictures", tmp_path).json["sets"]
    assert result["name"] == "labels"
    assert result["scores"]["pictures"] == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--data", "ade20k:nowhere"), r"there is no nowhere; expected ADE20K.*\n"),
        (("--data", "scenes:easy", "--protocol", "a150"), "only these have protocols"),
        (("--data", "cityscape:x"), "cityscapes:PATH"),
    ],
)
def test_what_cannot_be_read_is_refused_before_a_model_is_loaded(
    flags: tuple[str, ...], message: str
) -> None:
    with pytest.raises((FormatError, OptionError), match=message):
        ovseg("evaluate", *flags, "--model", "naclip@never-loaded")
