"""Self-training: the teacher's labels, corrections over them, and the student's loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from engines.micro_sseg import write_micro_sseg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage
from training.tiny_sseg import FEW_STEPS, Killed, dies_after

from ovseg_annotate.backbones.mask_pyramids import PyramidParts
from ovseg_annotate.catalog import open_engine
from ovseg_annotate.errors import FormatError, ImageError, OptionError, VocabularyError
from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.geometry import Polygon, Size
from ovseg_annotate.regions import AnnotatedImage, Region
from ovseg_annotate.training.progress import read_log
from ovseg_annotate.training.sseg_plus import (
    SsegPlusRecipe,
    SsegPlusTraining,
    Teacher,
    label_loss,
)
from ovseg_annotate.training.sseg_targets import (
    TargetBatches,
    TargetPictures,
    refuse_missing_concepts,
    targets_of,
    with_certain,
)
from ovseg_annotate.vocabulary import Vocabulary

CPU = torch.device("cpu")
WORDS = Vocabulary.parse("red; blue")


@pytest.fixture
def recipe(tmp_path: Path) -> SsegPlusRecipe:
    weights = str(write_micro_sseg(tmp_path / "teacher"))
    return SsegPlusRecipe(
        teacher=Teacher("red", weights, weight=0.5, confidence=0.0),
        pictures=TargetPictures(pictures=3, side=32, scenes=4),
        loop=FEW_STEPS,
    )


def corrected_export(folder: Path, concept: str) -> Path:
    """One picture of 40 x 40 px, whose left half a person labelled."""
    PillowImage.new("RGB", (40, 40), (200, 30, 30)).save(folder / "seen.png")
    ring = np.array([[0.0, 0.0], [20.0, 0.0], [20.0, 40.0], [0.0, 40.0]])
    image = AnnotatedImage(
        "seen.png",
        Size(40, 40),
        (Region(concept, (Polygon(ring),), None),),
        Vocabulary.parse(concept),
        None,
    )
    (path,) = format_named("coco").write([image], folder)
    return path


def test_a_student_trains_and_opens_as_an_engine(recipe: SsegPlusRecipe, tmp_path: Path) -> None:
    recipe.train(tmp_path / "run")
    recipe.export(tmp_path / "run", tmp_path / "export")
    student = open_engine(f"sseg@{tmp_path / 'export'}")
    teacher = open_engine(f"sseg@{recipe.teacher.weights}")
    words = Vocabulary.parse("red circle; grass")  # others than it was trained with
    student_text, teacher_text = (each.encode_text(words) for each in (student, teacher))
    torch.testing.assert_close(student_text.embeddings, teacher_text.embeddings)
    window = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    values = [
        each.score(each.encode_image(window), text).values
        for each, text in ((student, student_text), (teacher, teacher_text))
    ]
    assert not torch.allclose(values[0], values[1])


def test_a_run_that_died_goes_on_with_the_losses_of_one_that_did_not(
    recipe: SsegPlusRecipe, tmp_path: Path
) -> None:
    recipe.train(tmp_path / "whole")
    with pytest.raises(Killed):
        recipe.train(tmp_path / "broken", dies_after(5))  # type: ignore[arg-type]
    recipe.train(tmp_path / "broken")
    whole, broken = (
        [each.losses for each in read_log(tmp_path / name)] for name in ("whole", "broken")
    )
    assert whole == broken


def test_a_student_that_starts_as_its_teacher_answers_as_it_does(recipe: SsegPlusRecipe) -> None:
    training = SsegPlusTraining(recipe, CPU)
    teacher = open_engine(f"sseg@{recipe.teacher.weights}")
    pictures = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    pixels = training.normalised(pictures)
    ours = training.network.eval().see(pixels).masks[-1].sigmoid()
    theirs = teacher.encode_image(pixels).masks  # type: ignore[attr-defined]
    torch.testing.assert_close(ours, theirs)


def test_a_fresh_student_has_other_features_and_the_words_of_its_teacher(
    recipe: SsegPlusRecipe,
) -> None:
    fresh = replace(recipe, start="fresh", pyramid=PyramidParts(timm="test_vit", side=32))
    training = SsegPlusTraining(fresh, CPU)
    text = SsegPlusTraining(recipe, CPU).network.text.state_dict()
    own = training.network.text.state_dict()
    assert all(torch.equal(own[name], text[name]) for name in text)
    source = TargetBatches(recipe.pictures, training.vocabulary, training.taught, 1.0, 0)
    assert bool(training.losses(source.batch(0))["labels"].isfinite())


def test_labels_below_the_confidence_are_not_learnt_from(recipe: SsegPlusRecipe) -> None:
    sure = SsegPlusTraining(recipe, CPU)
    two = replace(recipe.teacher, vocabulary="red; blue", confidence=1.0)
    unsure = SsegPlusTraining(replace(recipe, teacher=two), CPU)
    pictures = torch.randint(256, (2, 3, 32, 32)).byte()
    assert (sure.taught(pictures)[0] == 1).all()
    assert (unsure.taught(pictures)[0] == 0).all()


def test_corrections_stand_over_the_teacher_with_full_weight(tmp_path: Path) -> None:
    export = corrected_export(tmp_path, "Blue")
    options = TargetPictures(side=32, scenes=1, corrections=str(export))
    *_, corrected = targets_of(options, WORDS)
    assert (corrected.certain[:, :16] == 2).all()
    assert (corrected.certain[:, 16:] == 0).all()
    certain = torch.from_numpy(corrected.certain.astype(np.int32))[None]
    labels, weights = with_certain(torch.ones_like(certain), certain, 0.25)
    assert (labels[0, :, :16] == 2).all()
    assert (weights[0, :, :16] == 1.0).all()
    assert (labels[0, :, 16:] == 1).all()
    assert (weights[0, :, 16:] == 0.25).all()


def test_a_correction_of_an_unknown_concept_is_refused(tmp_path: Path) -> None:
    export = corrected_export(tmp_path, "zebra")
    options = TargetPictures(side=32, scenes=1, corrections=str(export))
    with pytest.raises(VocabularyError, match="zebra"):
        list(targets_of(options, WORDS))


def test_a_concept_without_a_pixel_is_refused_by_name() -> None:
    with pytest.raises(VocabularyError, match="blue"):
        refuse_missing_concepts(torch.tensor([[[0, 1]]]), WORDS)


def test_windows_of_a_folder_cover_the_short_side(tmp_path: Path) -> None:
    PillowImage.new("RGB", (90, 30), (1, 2, 3)).save(tmp_path / "wide.png")
    options = TargetPictures(side=32, folder=str(tmp_path), windows=3)
    windows = list(targets_of(options, WORDS))
    assert len(windows) == 3
    assert all((each.pixels == (1, 2, 3)).all() for each in windows)


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no pictures"):
        list(targets_of(TargetPictures(folder=str(tmp_path)), WORDS))


def test_an_export_that_is_not_there_is_refused(tmp_path: Path) -> None:
    options = TargetPictures(side=32, scenes=1, corrections=str(tmp_path / "none.json"))
    with pytest.raises(FormatError):
        list(targets_of(options, WORDS))


@given(st.integers(0, 2**31))
def test_unlabelled_pixels_do_not_move_the_loss(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(1, 3, 4, 4, generator=generator).softmax(dim=1)
    labels = torch.randint(1, 4, (1, 4, 4), generator=generator)
    labels[0, 0, 0] = 1
    weights = torch.ones(1, 4, 4)
    ignored = labels.clone()
    ignored[:, 2:] = 0
    changed = values.clone()
    changed[:, :, 2:] = 1 / 3
    torch.testing.assert_close(
        label_loss(values, ignored, weights), label_loss(changed, ignored, weights)
    )
    expected = -values.gather(1, labels[:, None] - 1).log().mean()
    torch.testing.assert_close(label_loss(values, labels, weights), expected)


def test_a_picture_without_labels_costs_nothing() -> None:
    values = torch.full((1, 2, 3, 3), 0.5)
    labels = torch.zeros(1, 3, 3, dtype=torch.int64)
    assert float(label_loss(values, labels, torch.ones(1, 3, 3))) == 0.0


@pytest.mark.parametrize("wrong", [{"weight": 1.5}, {"confidence": -0.1}])
def test_a_teacher_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Teacher("red", **wrong)  # type: ignore[arg-type]


def test_a_pyramid_for_a_student_that_starts_as_its_teacher_is_refused() -> None:
    with pytest.raises(OptionError, match="fresh"):
        SsegPlusRecipe(Teacher("red"), pyramid=PyramidParts(timm="test_vit"))
