"""`ovseg learn --fine-tune` in a run folder."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest
from engines.micro_heads import write_micro_head
from fine_tuning.tuning_desk import NAMES, OPTIONS, WORDS, picture, places, session_of
from PIL import Image as PillowImage
from served import served

from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.learn import TeachingOptions, learn_with
from ovseg_annotate.cli.queue import DeviceOptions
from ovseg_annotate.cli.sessions import SessionOptions
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.cli.versions import VersionsOptions, versions_with
from ovseg_annotate.errors import OptionError
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.lessons.model_names import split_model
from ovseg_annotate.lessons.version import read_version
from ovseg_annotate.regions import AnnotatedImage, Mask, Region, RegionOptions
from ovseg_annotate.run_folder import Fingerprint, Picture, RunFolder, RunReader, RunSettings
from ovseg_annotate.session import Session


def opener(options: SessionOptions) -> Session:
    base, file = split_model(options.model)
    session = session_of(base)
    return session if file is None else session.taught(read_version(file).lesson)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"catseg@{write_micro_head(tmp_path_factory.mktemp('catseg'), 'catseg')}"


@pytest.fixture
def run(tmp_path: Path, model: str) -> Path:
    """Nine pictures with suggestions, all but the last one corrected and accepted."""
    out, photos = tmp_path / "labels", tmp_path / "photos"
    photos.mkdir()
    session = session_of(model)
    pictures = []
    for name in (*NAMES, "8.png"):
        PillowImage.fromarray(picture(name).pixels).save(photos / name)
        pictures.append(Picture(name, photos / name))
    weights = session.card.weights_digest
    parts = (str(WORDS), OPTIONS, RegionOptions(), ReadingOptions())
    with RunFolder(out) as folder:
        folder.adopt(RunSettings(model, weights, "", *parts), pictures, replace=False)
        for each in pictures:
            found = session.annotate(picture(each.name), WORDS, OPTIONS)
            folder.save(each, Fingerprint.of(each.path), found.annotated_image(each.name))
        for name in NAMES:
            size = picture(name).size
            regions = tuple(Region(own, (), Mask.of(area)) for own, area in places(name).items())
            folder.save_correction(AnnotatedImage(name, size, regions, WORDS, None), accepted=True)
    return out


def learn(run: Path, **given: object) -> Exit:
    options = TeachingOptions(**given)  # type: ignore[arg-type]
    return learn_with(opener, run, options, DeviceOptions(), StopSignals())


def test_a_head_is_fine_tuned_listed_and_suggested_with(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert learn(run, fine_tune=True, suggest=True, json=True) is Exit.FINE
    told = capsys.readouterr()
    plain = json.loads(told.out)
    assert plain["version"].startswith("v1-")
    assert plain["fine_tuned"] > plain["base"]
    assert plain["present"] is None
    assert plain["suggested"]["open"] == 1
    assert "step 10/" in told.err
    record = RunReader(run).record_of("8.png")
    assert record is not None
    assert {each.concept for each in record.image.regions} == {"cat", "dog"}

    versions_with(opener, run, VersionsOptions(json=True), "list", ())
    (listed,) = json.loads(capsys.readouterr().out)["versions"]
    assert listed["candidate"].startswith("fine-tuning, ")
    assert 0 < listed["bytes"] < 10_000_000
    assert listed["head"] == listed["digest"]

    assert learn(run, fine_tune=True) is Exit.FINE
    assert "nothing was corrected since" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_ctrl_c_ends_it_with_130_and_the_same_command_goes_on(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    say = Talk.say

    def interrupt(talk: Talk, text: str) -> None:
        say(talk, text)
        if text.startswith("step 10/"):
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched, StopSignals() as stops:
        patched.setattr(Talk, "say", interrupt)
        options = TeachingOptions(fine_tune=True)
        assert learn_with(opener, run, options, DeviceOptions(), stops) is Exit.INTERRUPTED
    assert "the same command goes on" in capsys.readouterr().err
    assert Versions(run / "learning").names == ()
    assert learn(run, fine_tune=True) is Exit.FINE
    talk = capsys.readouterr().err
    assert "step 10/" not in talk
    assert "step 20/" in talk
    assert len(Versions(run / "learning").names) == 1


def test_it_can_be_no_dry_run() -> None:
    with pytest.raises(OptionError, match="--dry-run"):
        TeachingOptions(fine_tune=True, dry_run=True)


def test_a_session_on_a_server_is_not_trained(run: Path, model: str, tmp_path: Path) -> None:
    engine, options = session_of(model).engine, TeachingOptions(fine_tune=True)
    with (
        served(engine, tmp_path / "server") as server,
        pytest.raises(OptionError, match="without --server"),
    ):
        learn_with(lambda _: server.session(), run, options, DeviceOptions(), StopSignals())
