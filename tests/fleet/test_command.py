"""`ovseg annotate --fleet` and `ovseg convert`, as they are typed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from annotated_samples import annotated, as_record, fingerprint, picture, settings
from cli.runner import ovseg
from one_machine import records_of_one_machine
from PIL import Image as PillowImage

from ovseg_annotate.datasets.scenes import SceneRules, draw_scene
from ovseg_annotate.errors import OptionError, RunError
from ovseg_annotate.formats.catalogue import FORMATS
from ovseg_annotate.geometry import Size
from ovseg_annotate.lake import Answer, FileState, Lake, LakeReader, Storage
from ovseg_annotate.run_folder import RunFolder
from ovseg_annotate.vocabulary import Vocabulary

ROOT = Path(__file__).parents[2]
COUNT = 20
WORDS = Vocabulary.parse("disc; square; -ground")
FILE = FileState("/photos/a.png", 123, "1")
NAMES = ("a.png", "deep/c.png", "b.png", "deep.png")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Two parts that interleave, and a failure."""
    made = Lake.adopted(Storage(str(tmp_path / "lake")), settings(), 4, replace=False)
    answers = {name: Answer(name, FILE, "ab", annotated(name)) for name in NAMES}
    made.write_part([answers["a.png"], answers["deep/c.png"]])
    made.write_part([answers["b.png"], answers["deep.png"]])
    made.write_part([Answer("bad.png", FILE, "", None, error="cut off")])
    return tmp_path / "lake"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The same answers in a run folder."""
    with RunFolder(tmp_path / "run") as folder:
        folder.adopt(settings(), replace=False)
        for name in NAMES:
            taken = picture(tmp_path / "photos" / name, name)
            folder.save(taken, fingerprint(taken), annotated(name))
    return tmp_path / "run"


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def without_ids(files: dict[str, bytes]) -> dict[str, bytes]:
    """Label Studio's regions have names that are drawn anew every time."""
    drawn = re.compile(rb'"id":"[\w-]+"')
    return {name: drawn.sub(b"", content) for name, content in files.items()}


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_lake_gives_the_exports_of_a_run_folder(
    name: str, lake: Path, run: Path, tmp_path: Path
) -> None:
    done = ovseg("convert", lake, "--to", name, "--out", tmp_path / "from_lake")
    ovseg("convert", run, "--to", name, "--out", tmp_path / "from_run")
    assert done.lines == [str(tmp_path / "from_lake")]
    assert "1 pictures of the lake have no answer" in done.talk
    from_lake, from_run = (files_in(tmp_path / each) for each in ("from_lake", "from_run"))
    assert without_ids(from_lake) == without_ids(from_run)


def test_a_lake_is_converted_into_a_new_folder_only(lake: Path) -> None:
    with pytest.raises(OptionError, match="--out NEW_FOLDER"):
        ovseg("convert", lake, "--to", "coco")


@pytest.mark.parametrize("verb", ["show", "queue", "learn"])
def test_verbs_for_run_folders_say_what_to_do_with_a_lake(verb: str, lake: Path) -> None:
    with pytest.raises(RunError, match="is a lake, which 'ovseg annotate --fleet' wrote"):
        ovseg(verb, lake)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("s3://bucket/photos", "--out", "labels"), "give --fleet local"),
        (("photos", "--out", "s3://bucket/labels"), "give --fleet local"),
        (("photos", "--fleet", "ray:/head"), "expected local"),
        (("photos", "--fleet", "local", "--formats", "coco"), "ovseg convert labels --to coco"),
    ],
)
def test_flags_that_do_not_go_together_are_named(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        ovseg("annotate", *arguments, "--prompts", "car")


class Command:
    """The command in a process of its own, as a person's shell starts it."""

    def __init__(self, photos: Path, out: Path) -> None:
        arguments = [sys.executable, "-m", "ovseg_annotate.cli", "annotate", str(photos)]
        arguments += ["--prompts", str(WORDS), "--precision", "float32", "--json"]
        arguments += ["--fleet", "local", "--workers", "2", "--part-pictures", "1"]
        self.process = subprocess.Popen(
            [*arguments, "--out", str(out)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def first(self) -> dict[str, object]:
        """Wait for the first picture."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        document: dict[str, object] = json.loads(line)
        return document

    def end(self) -> tuple[list[dict[str, object]], str]:
        """All else that it tells."""
        data, talk = self.process.communicate(timeout=280)
        return [json.loads(line) for line in data.splitlines()], talk


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for number in range(COUNT):
        scene = draw_scene(SceneRules(size=Size(320, 320)), number)
        PillowImage.fromarray(scene.pixels).save(tmp_path / "photos" / f"{number:02}.png")
    return tmp_path / "photos"


@pytest.fixture
def commands() -> Iterator[list[Command]]:
    """None of them outlives its test."""
    started: list[Command] = []
    yield started
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.mark.soak
@pytest.mark.timeout(600)  # three starts of Ray, on a machine that may be busy
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_a_command_that_is_stopped_and_killed_goes_on_to_the_answers_of_one_machine(
    photos: Path, tmp_path: Path, commands: list[Command]
) -> None:
    commands.append(Command(photos, tmp_path / "lake"))
    assert commands[0].first()["state"] == "annotated"
    commands[0].process.send_signal(signal.SIGINT)
    told, talk = commands[0].end()
    assert commands[0].process.returncode == 130, talk
    assert "The same command goes on from here" in talk
    assert "raylet" not in talk
    assert "summary" in told[-1]

    commands.append(Command(photos, tmp_path / "lake"))
    commands[1].first()
    commands[1].process.kill()
    commands[1].process.communicate()

    commands.append(Command(photos, tmp_path / "lake"))
    told, talk = commands[2].end()
    assert commands[2].process.returncode == 0, talk
    summary = told[-1]["summary"]
    assert isinstance(summary, dict)
    assert summary["annotated"] + summary["finished_before"] == COUNT
    assert summary["finished_before"] >= 2  # one of each command before
    found = LakeReader(str(tmp_path / "lake")).images()
    expected = records_of_one_machine(sorted(photos.iterdir()), WORDS)
    assert len(expected) == COUNT
    assert [as_record(image) for image in found] == list(expected.values())
