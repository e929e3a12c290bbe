"""`ovseg learn --suggest`, killed over and over.

What must hold afterwards: the journal reads whole and says the same; versions are whole files of
the same digest as without a kill, the same one is in service; answers of people are as they were;
open pictures have the suggestions of that version.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from effort import Effort
from learning_samples import OPTIONS, WORDS, leaves, number_of, picture
from PIL import Image as PillowImage
from soak.kills import files_in, finished, killed, leftovers_in
from vector_engine import VECTOR_CARD, vector_session

from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.learning_loop.journal import FILE_NAME, Journal
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.regions import AnnotatedImage, Mask, Region, RegionOptions
from ovseg_annotate.run_folder import (
    Fingerprint,
    Picture,
    PictureState,
    RunFolder,
    RunReader,
    RunSettings,
)

DRIVER = Path(__file__).parent / "learn_driver.py"
NAMES = tuple(f"{number}.png" for number in range(6))


def run_with_answers(folder: Path) -> Path:
    """Six pictures with suggestions, three of them answered."""
    photos, out = folder / "photos", folder / "run"
    photos.mkdir()
    session = vector_session()
    for name in NAMES:
        PillowImage.fromarray(picture(number_of(name)).pixels).save(photos / name)
    pictures = [Picture(name, photos / name) for name in NAMES]
    parts = (OPTIONS, RegionOptions(), ReadingOptions())
    settings = RunSettings("vectors@none", VECTOR_CARD.weights_digest, "", str(WORDS), *parts)
    with RunFolder(out) as run:
        run.adopt(settings, pictures, replace=False)
        for each in pictures:
            found = session.annotate(picture(number_of(each.name)), WORDS, OPTIONS)
            run.save(each, Fingerprint.of(each.path), found.annotated_image(each.name))
        for name in NAMES[:3]:
            record = RunReader(out).record_of(name)
            assert record is not None
            kept = tuple(each for each in record.image.regions if each.concept != "leaf")
            leaf = Region("leaf", (), Mask.of(leaves(number_of(name))))
            image = AnnotatedImage(name, record.image.size, (*kept, leaf), WORDS, None)
            run.save_correction(image, accepted=True)
    return out


def project_of(run: Path) -> Path:
    (journal,) = run.rglob(FILE_NAME)
    return journal.parent


def said_by(run: Path) -> tuple[str, tuple[str, ...], str]:
    """What the journal says, the versions there are, and the one in service."""
    project = project_of(run)
    with Journal(project) as journal:
        assert len(list(journal.corrections())) == len(journal) == 3
        digest = journal.digest
    versions = Versions(project)
    digests = tuple(versions.get(name).card.digest for name in versions.names)
    return digest, digests, versions.in_service.name


def test_the_same_is_learnt_however_often_learning_is_killed(
    tmp_path: Path, effort: Effort
) -> None:
    chance = effort.chance("learn")
    start = run_with_answers(tmp_path)
    run = tmp_path / "once more"  # always the same place: settings name the version's file
    shutil.copytree(start, run)
    finished((DRIVER, run))
    expected, records = said_by(run), files_in(run / "records")
    assert len(expected[1]) == 1
    shutil.rmtree(run)

    answers = [f"{name}.json" for name in NAMES[:3]]
    for _ in effort.numbers(short=1, long=4, seconds=25):
        shutil.copytree(start, run)
        for _ in range(effort.rounds(short=2, long=4)):
            wanted = chance.choice((FILE_NAME, "*.lesson", "in_service.json"))
            killed((DRIVER, run), lambda name=wanted: any(run.rglob(name)), chance)
        finished((DRIVER, run))
        assert said_by(run) == expected
        assert files_in(run / "records") == records
        for name in answers:
            assert records[name] == (start / "records" / name).read_bytes()
        with RunFolder(run) as folder:
            open_ones = [Picture(name, tmp_path / "photos" / name) for name in NAMES[3:]]
            states = {folder.standing(each).state for each in open_ones}
        assert states == {PictureState.SUGGESTED}
        assert not leftovers_in(run)
        shutil.rmtree(run)
