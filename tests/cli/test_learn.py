from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest
from learning_samples import OPTIONS, WORDS, leaves, number_of, picture
from lessons.test_taught import lesson
from lessons.test_version import version
from PIL import Image as PillowImage
from vector_engine import CPU, VECTOR_CARD, VectorEngine, vector_session

from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.learn import TeachingOptions, learn_with
from ovseg_annotate.cli.queue import DeviceOptions
from ovseg_annotate.cli.sessions import SessionOptions
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.cli.versions import VersionsOptions, versions_with
from ovseg_annotate.errors import OptionError, RunError, VersionError
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.lessons.model_names import split_model
from ovseg_annotate.lessons.phrase_weights import PhraseWeight
from ovseg_annotate.lessons.version import read_version
from ovseg_annotate.regions import AnnotatedImage, Mask, Region, RegionOptions
from ovseg_annotate.run_folder import (
    Fingerprint,
    Picture,
    PictureState,
    RunFolder,
    RunReader,
    RunSettings,
)
from ovseg_annotate.session import Session
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.vocabulary import Vocabulary

NAMES = tuple(f"{number}.png" for number in range(4))


def opener(options: SessionOptions) -> Session:
    base, file = split_model(options.model)
    assert base == "vectors@none"
    session = vector_session()
    session.base_model = base
    return session if file is None else session.taught(read_version(file).lesson)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Four pictures with suggestions, two of them corrected."""
    out, photos = tmp_path / "labels", tmp_path / "photos"
    photos.mkdir()
    session = vector_session()
    pictures = []
    for name in NAMES:
        PillowImage.fromarray(picture(number_of(name)).pixels).save(photos / name)
        pictures.append(Picture(name, photos / name))
    given = RunSettings(
        "vectors@none",
        VECTOR_CARD.weights_digest,
        "",
        str(WORDS),
        OPTIONS,
        RegionOptions(),
        ReadingOptions(),
    )
    with RunFolder(out) as folder:
        folder.adopt(given, pictures, replace=False)
        for each in pictures:
            found = session.annotate(picture(number_of(each.name)), WORDS, OPTIONS)
            folder.save(each, Fingerprint.of(each.path), found.annotated_image(each.name))
    answer(out, "0.png", accepted=True)
    answer(out, "1.png", accepted=False)
    return out


def answer(run: Path, name: str, *, accepted: bool) -> None:
    record = RunReader(run).record_of(name)
    assert record is not None
    kept = tuple(each for each in record.image.regions if each.concept != "leaf")
    leaf = Region("leaf", (), Mask.of(leaves(number_of(name))))
    image = AnnotatedImage(name, record.image.size, (*kept, leaf), WORDS, None)
    with RunFolder(run) as folder:
        folder.save_correction(image, accepted=accepted)


def learn(run: Path, **given: object) -> Exit:
    options = TeachingOptions(**given)  # type: ignore[arg-type]
    return learn_with(opener, run, options, DeviceOptions(), StopSignals())


def versions(folder: Path, action: str, *names: str, json: bool = False) -> None:
    versions_with(opener, folder, VersionsOptions(json=json), action, names)


def records(run: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in (run / "records").glob("*.json")}


def test_learning_puts_a_version_into_service_and_says_why(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert learn(run, json=True) is Exit.FINE
    told = capsys.readouterr()
    plain = json.loads(told.out)
    assert plain["corrections"] == {"new": 2, "known": 0}
    assert plain["version"].startswith("v1-")
    assert "better" in plain["verdict"]
    assert plain["verdict"] in told.err.replace("\n", "")
    assert plain["suggested"] == {"open": 0, "failed": 0, "answered": 0}


def test_new_suggestions_go_to_open_pictures_only(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = records(run)
    assert learn(run, suggest=True, json=True) is Exit.FINE
    assert json.loads(capsys.readouterr().out)["suggested"] == {
        "open": 2,
        "failed": 0,
        "answered": 2,
    }
    after = records(run)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"2.png.json", "3.png.json"}
    reader = RunReader(run)
    for name in ("2.png", "3.png"):
        record = reader.record_of(name)
        assert record is not None
        assert "leaf" in {each.concept for each in record.image.regions}
    assert split_model(reader.settings.model)[1] is not None


def test_a_picture_that_is_accepted_meanwhile_stays(run: Path) -> None:
    answer(run, "2.png", accepted=True)
    before = records(run)["2.png.json"]
    learn(run, suggest=True)
    assert records(run)["2.png.json"] == before
    with RunFolder(run) as folder:
        standing = folder.standing(Picture("2.png", run.parent / "photos" / "2.png"))
    assert standing.state is PictureState.ACCEPTED


def test_learning_goes_on_from_taught_suggestions(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learn(run, suggest=True)
    answer(run, "2.png", accepted=True)
    capsys.readouterr()
    learn(run, json=True)
    assert json.loads(capsys.readouterr().out)["corrections"] == {"new": 1, "known": 2}


def test_a_dry_run_writes_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(run.rglob("*"))
    assert learn(run, dry_run=True, json=True) is Exit.FINE
    assert sorted(run.rglob("*")) == before
    assert "better" in json.loads(capsys.readouterr().out)["verdict"]


def test_an_export_of_another_tool_is_taken_up(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ovseg_annotate.formats import masks  # noqa: PLC0415

    away = tmp_path / "masks"
    leaf = Region("leaf", (), Mask.of(leaves(2)))
    size = picture(2).size
    masks.write([AnnotatedImage("2.png", size, (leaf,), WORDS, None)], away)
    learn(run, corrections=away, corrections_format="masks", json=True)
    assert json.loads(capsys.readouterr().out)["corrections"] == {"new": 3, "known": 0}


def test_a_picture_answered_in_an_export_gets_no_new_suggestion(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ovseg_annotate.formats import masks  # noqa: PLC0415

    away = tmp_path / "masks"
    leaf = Region("leaf", (), Mask.of(leaves(2)))
    masks.write([AnnotatedImage("2.png", picture(2).size, (leaf,), WORDS, None)], away)
    before = records(run)["2.png.json"]
    learn(run, corrections=away, corrections_format="masks", suggest=True, json=True)
    assert records(run)["2.png.json"] == before
    suggested = json.loads(capsys.readouterr().out)["suggested"]
    assert suggested == {"open": 1, "failed": 0, "answered": 3}


def test_a_run_that_nobody_corrected_says_what_to_do(run: Path, tmp_path: Path) -> None:
    with RunFolder(run) as folder:
        for name in ("0.png", "1.png"):
            folder.restore_suggestion(Picture(name, tmp_path / "photos" / name))
    with pytest.raises(RunError, match="ovseg queue"):
        learn(run)


def test_pictures_that_are_gone_are_named(run: Path, tmp_path: Path) -> None:
    (tmp_path / "photos" / "0.png").unlink()
    assert learn(run) is Exit.SOME_FAILED


def test_a_dry_run_makes_no_suggestions() -> None:
    with pytest.raises(OptionError, match="one of the two"):
        TeachingOptions(dry_run=True, suggest=True)


def test_versions_are_listed_with_what_they_cost(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learn(run)
    capsys.readouterr()
    versions(run, "list", json=True)
    plain = json.loads(capsys.readouterr().out)
    assert plain["in_service"] == plain["versions"][0]["name"]
    (effort,) = plain["effort"]
    assert effort["effort"]["pictures"] == 2
    assert effort["effort"]["regions_drawn"] > 0
    versions(run, "list")
    assert "in service" in capsys.readouterr().out


def test_a_version_is_left_and_taken_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(run)
    capsys.readouterr()
    versions(run, "back")
    versions(run, "use", "v1")
    versions(run, "use", "base")
    told = capsys.readouterr().out.split()
    assert (told[0], told[2]) == ("base", "base")
    assert told[1].startswith("v1-")


def test_a_version_is_carried_to_another_machine(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learn(run)
    file = tmp_path / "carried.lesson"
    versions(run, "export", "v1", str(file))
    other = tmp_path / "other"
    with pytest.raises(OptionError, match="--model"):
        versions(other, "import", str(file))
    versions_with(opener, other, VersionsOptions(model="vectors@none"), "import", (str(file),))
    assert Versions(other).names == Versions(run / "learning").names


def test_two_versions_are_compared(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    learn(run)
    answer(run, "2.png", accepted=True)
    learn(run)
    names = Versions(run / "learning").names
    capsys.readouterr()
    versions(run, "compare", names[0], names[-1], json=True)
    assert json.loads(capsys.readouterr().out)["pictures"][0] == "2"


def test_phrases_that_count_less_are_named_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = Versions(tmp_path)
    for number, weight in enumerate((0.3, 0.25)):
        phrases = (
            PhraseWeight("leaf", "leaf", 2 - weight),
            PhraseWeight("leaf", "[sky]", weight),
        )
        there.add(version(lesson(digest=f"{number + 1}" * 64, phrases=phrases)))
    versions(tmp_path, "list")
    assert "v1-11111111: phrases that count less: '[sky]' for leaf (0.30)" in (
        capsys.readouterr().out.replace("\n", " ")
    )
    versions(tmp_path, "compare", "v1", "v2")
    assert "weight of '[sky]' for leaf  0.30" in capsys.readouterr().out
    versions(tmp_path, "compare", "v1", "v2", json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["weight of '[sky]' for leaf"] == ["0.30", "0.25"]
    versions(tmp_path, "list", json=True)
    plain = json.loads(capsys.readouterr().out)["versions"][0]["phrases"][1]
    assert plain == {"concept": "leaf", "phrase": "[sky]", "weight": 0.3}


@pytest.mark.parametrize(
    ("action", "names", "message"),
    [
        ("delete", (), "there is: "),
        ("use", (), "use NAME"),
        ("compare", ("v1",), "compare NAME NAME"),
    ],
)
def test_what_is_no_action_is_refused(
    run: Path, action: str, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        versions(run, action, *names)


def test_a_folder_without_a_project_says_how_to_begin(run: Path) -> None:
    with pytest.raises(RunError, match="ovseg learn"):
        versions(run, "list")


def test_a_damaged_version_is_named(run: Path) -> None:
    learn(run)
    (path,) = (run / "learning" / "versions").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VersionError, match="damaged"):
        versions(run, "list")


class InterruptedEngine(VectorEngine):
    """Somebody presses Ctrl-C while it reads the words, which is when learning begins."""

    def encode_text(self, vocabulary: Vocabulary) -> TextBank:
        signal.raise_signal(signal.SIGINT)
        return super().encode_text(vocabulary)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
@pytest.mark.parametrize("dry_run", [False, True])
def test_learning_that_is_interrupted_goes_on_with_the_same_command(
    run: Path, dry_run: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(options: SessionOptions) -> Session:
        session = Session(InterruptedEngine(), CPU, FeatureStore())
        session.base_model = "vectors@none"
        return session

    with StopSignals() as stops:
        options = TeachingOptions(dry_run=dry_run)
        assert learn_with(interrupted, run, options, DeviceOptions(), stops) is Exit.INTERRUPTED
    assert "the same command goes on" in capfd.readouterr().err.replace("\n", " ")
    assert Versions(run / "learning").names == ()
    assert learn(run) is Exit.FINE
    assert len(Versions(run / "learning").names) == 1
