"""People's answers in a run folder: corrected, accepted, and back again."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest
from annotated_samples import annotated, fingerprint, picture, settings

from ovseg_annotate.formats import native
from ovseg_annotate.regions import AnnotatedImage
from ovseg_annotate.run_folder import (
    Picture,
    PictureState,
    RunFolder,
    RunReader,
    Standing,
)
from ovseg_annotate.run_folder.folder import CorrectedMeanwhileError
from ovseg_annotate.run_folder.records import mean_margin


@pytest.fixture
def taken(tmp_path: Path) -> Picture:
    return picture(tmp_path / "pictures" / "a.png")


@pytest.fixture
def out(tmp_path: Path, taken: Picture) -> Path:
    path = tmp_path / "labels"
    with RunFolder(path) as folder:
        folder.adopt(settings(), [taken], replace=False)
    return path


def suggested(folder: RunFolder, taken: Picture) -> Path:
    folder.adopt(settings(), [taken], replace=False)
    return folder.save(taken, fingerprint(taken), annotated())


def test_a_picture_goes_from_new_to_suggested_to_corrected_to_accepted(
    out: Path, taken: Picture
) -> None:
    with RunFolder(out) as folder:
        states = [folder.standing(taken).state]
        suggested(folder, taken)
        states.append(folder.standing(taken).state)
        folder.save_correction(annotated(concept="green"), accepted=False)
        states.append(folder.standing(taken).state)
        folder.save_correction(annotated(concept="green"), accepted=True)
        states.append(folder.standing(taken).state)
    assert states == list(PictureState)


def test_a_suggestion_tells_its_mean_margin_without_being_read_whole(
    out: Path, taken: Picture
) -> None:
    with RunFolder(out) as folder:
        path = suggested(folder, taken)
        first, _ = path.read_bytes().split(b"\n", 1)
        path.write_bytes(first + b"\nnot JSON any more")
        assert folder.standing(taken) == Standing(PictureState.SUGGESTED, 0.5)


def test_the_mean_margin_weighs_regions_by_area_and_is_unknown_without_any() -> None:
    image = annotated()
    assert mean_margin(image) == pytest.approx(0.5)
    empty = AnnotatedImage(image.name, image.size, (), image.vocabulary, image.provenance)
    assert mean_margin(empty) is None


@pytest.mark.parametrize("accepted", [False, True])
def test_people_s_answers_are_never_annotated_again(
    out: Path, taken: Picture, accepted: bool
) -> None:
    with RunFolder(out) as folder:
        suggested(folder, taken)
        path = folder.save_correction(annotated(concept="green"), accepted=accepted)
        folder.adopt(settings(vocabulary="red; green"), replace=True)
        assert folder.plan([taken]).corrected == (taken,)
        with pytest.raises(CorrectedMeanwhileError):
            folder.save(taken, fingerprint(taken), annotated())
    record = RunReader(out).record_of("a.png")
    assert record is not None
    assert record.corrected
    assert native.read_record(path).image.regions[0].concept == "green"


def test_the_suggestion_comes_back_as_it_was(out: Path, taken: Picture) -> None:
    with RunFolder(out) as folder:
        path = suggested(folder, taken)
        before = path.read_bytes()
        folder.save_correction(annotated(concept="green"), accepted=False)
        folder.save_correction(annotated(concept="green"), accepted=True)
        assert folder.restore_suggestion(taken) is PictureState.SUGGESTED
        assert path.read_bytes() == before
        assert folder.plan([taken]).finished == (taken,)


def test_without_a_suggestion_there_is_nothing_to_come_back_to(out: Path, taken: Picture) -> None:
    with RunFolder(out) as folder:
        path = folder.save_correction(annotated(concept="green"), accepted=True)
        assert folder.restore_suggestion(taken) is PictureState.ACCEPTED
        assert native.read_record(path).kind is native.Kind.ACCEPTED


def test_a_record_changed_by_hand_does_not_take_the_place_of_the_suggestion(
    out: Path, taken: Picture
) -> None:
    with RunFolder(out) as folder:
        path = suggested(folder, taken)
        path.write_bytes(path.read_bytes().replace(b'"red"', b'"green"'))
        folder.save_correction(annotated(), accepted=True)
    assert not (out / "suggestions").exists()


def test_kept_suggestions_are_no_records(out: Path, taken: Picture) -> None:
    with RunFolder(out) as folder:
        suggested(folder, taken)
        folder.save_correction(annotated(concept="green"), accepted=False)
    assert len(RunReader(out)) == 1


def test_records_that_others_wrote_in_their_own_way_are_told_apart(
    out: Path, taken: Picture
) -> None:
    with RunFolder(out) as folder:
        path = folder.save_correction(annotated(), accepted=True)
        path.write_bytes(b" " + path.read_bytes())
        assert folder.standing(taken).state is PictureState.ACCEPTED
        path.write_bytes(b"{")
        assert folder.standing(taken).state is PictureState.CORRECTED


def test_a_correction_and_a_suggestion_at_once_leave_the_correction(
    out: Path, taken: Picture
) -> None:
    with RunFolder(out) as folder:
        suggested(folder, taken)
        folder.adopt(settings(vocabulary="red; green"), replace=True)
        for _ in range(20):
            start = threading.Barrier(2)

            def correct(start: threading.Barrier = start) -> None:
                start.wait()
                folder.save_correction(annotated(concept="green"), accepted=False)

            thread = threading.Thread(target=correct)
            thread.start()
            start.wait()
            with contextlib.suppress(CorrectedMeanwhileError):
                folder.save(taken, fingerprint(taken), annotated())
            thread.join()
            assert folder.standing(taken).state is PictureState.CORRECTED
            folder.record_path(taken).unlink()
