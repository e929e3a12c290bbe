"""The whole command with a real session on a tiny random model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from annotated_samples import picture_file
from backbones.micro import write_micro_clip
from cli.runner import ovseg

from ovseg_annotate.run_folder import RunReader
from ovseg_annotate.vocabulary import Vocabulary

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"naclip@{write_micro_clip(tmp_path_factory.mktemp('models') / 'micro')}"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(6):
        picture_file(tmp_path / "photos" / f"{number}.png", (255, 40 * number, 0))
    return tmp_path / "photos"


def test_a_run_writes_records_with_provenance_and_can_be_shown(
    model: str, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels"
    command = ("annotate", photos, "--prompts", "red; black", "--model", model, "--out", out)
    done = ovseg(*command, "--formats", "all", "--contrast", "none", "--threshold", "0", "--json")
    documents = [json.loads(line) for line in done.lines]
    assert [each["state"] for each in documents[:-1]] == ["annotated"] * 6
    records = list(RunReader(out).records())
    assert {record.image.provenance.model for record in records if record.image.provenance} == {
        model
    }
    assert records[0].image.vocabulary == Vocabulary.parse("red; black")
    assert Path(ovseg("show", out).data.strip()).stat().st_size > 10_000


def test_the_python_and_the_command_give_the_same_regions(
    model: str, photos: Path, tmp_path: Path
) -> None:
    from ovseg_annotate import open_session, read_image  # noqa: PLC0415

    out = tmp_path / "labels"
    ovseg("annotate", photos / "1.png", "--prompts", "red; black", "--model", model, "--out", out)
    (record,) = RunReader(out).records()
    annotation = open_session(model).annotate(
        read_image(photos / "1.png"), Vocabulary.parse("red; black")
    )
    told = [(each.concept, each.confidence) for each in record.image.regions]
    assert told == [(each.concept, each.confidence) for each in annotation.regions()]


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
def test_a_real_run_after_kill_9_goes_on_with_the_same_command(
    model: str, photos: Path, tmp_path: Path
) -> None:
    for extra in range(6, 60):
        picture_file(photos / f"{extra:02d}.png", (255, 4 * extra, 0))
    out = tmp_path / "labels"
    arguments = ["annotate", str(photos), "--prompts", "red; black", "--model", model]
    process = subprocess.Popen(
        [sys.executable, "-m", "ovseg_annotate.cli", *arguments, "--out", str(out), "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    process.kill()
    process.communicate(timeout=120)
    before = {path: path.read_bytes() for path in (out / "records").glob("*.json")}
    assert process.returncode == -signal.SIGKILL, "it was finished before the signal arrived"
    assert Path(first["record"]) in before

    done = ovseg(*arguments, "--out", out, "--json")
    states = [json.loads(line).get("state") for line in done.lines[:-1]]
    assert states.count("finished") == len(before)
    assert states.count("annotated") == 60 - len(before)
    assert {path: path.read_bytes() for path in before} == before
