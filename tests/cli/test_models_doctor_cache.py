"""The verbs that look at the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from backbones.micro import write_micro_clip
from cli.runner import ovseg

from ovseg_annotate.cli.exits import Exit, exit_for
from ovseg_annotate.cli.sessions import engine_options, vocabulary_from
from ovseg_annotate.errors import (
    CacheError,
    ImageError,
    ModelError,
    OptionError,
    OvsegError,
    VocabularyError,
    WeightsError,
)
from ovseg_annotate.feature_store import FeatureStore


def test_the_list_of_models_has_what_a_person_chooses_by() -> None:
    entries = {entry["weights"]: entry for entry in ovseg("models", "--json").json}
    known = entries["ViT-B-16-quickgelu/openai"]
    assert known["name"] == "naclip@ViT-B-16-quickgelu/openai"
    assert known["megabytes"] > 100
    assert "naclip" in ovseg("models").data


def test_fetching_what_does_not_exist_says_what_there_is() -> None:
    with pytest.raises(ModelError, match="naclip"):
        ovseg("models", "--fetch", "naclipp@mini")


def test_a_model_in_a_folder_is_loaded_by_fetch(tmp_path: Path) -> None:
    name = f"naclip@{write_micro_clip(tmp_path / 'micro')}"
    assert ovseg("models", "--fetch", name).lines == [name]


def test_the_doctor_finds_a_model_that_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = f"naclip@{write_micro_clip(tmp_path / 'micro')}"
    findings = {each["subject"]: each for each in ovseg("doctor", "--json", "--model", model).json}
    assert set(findings) == {"python", "packages", "devices", "memory", "cache", "model"}
    assert not [each for each in findings.values() if each["health"] == "broken"]
    assert "loads in" in findings["model"]["text"]


def test_the_doctor_says_what_is_broken_and_exits_with_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file" / "below"))
    (tmp_path / "file").write_text("in the way")
    answer = ovseg("doctor", "--model", "naclip@nowhere", code=Exit.NOTHING_DONE)
    broken = [line.split()[1] for line in answer.lines if line.startswith("broken")]
    assert broken == ["cache", "model"]


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    store = FeatureStore(folder=tmp_path / "cache")
    for number in range(4):
        store.put(f"{number:064x}", {"tokens": torch.zeros(1000)})
    return tmp_path / "cache"


def test_the_cache_is_counted(filled: Path) -> None:
    use = ovseg("cache", "--folder", filled, "--json").json
    assert use["entries"] == 4
    assert use["bytes"] > 16_000
    assert "4 entries" in ovseg("cache", "--folder", filled).data


def test_the_cache_is_cleared(filled: Path) -> None:
    assert ovseg("cache", "--folder", filled, "--clear", "--json").json["entries"] == 0


def test_the_cache_is_shrunk_to_a_limit(filled: Path) -> None:
    use = ovseg("cache", "--folder", filled, "--limit", "9K", "--json").json
    assert 1 <= use["entries"] <= 2
    assert use["bytes"] <= 9 * 1024


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OptionError(""), Exit.WRONG_USAGE),
        (VocabularyError(""), Exit.WRONG_USAGE),
        (ModelError(""), Exit.WRONG_USAGE),
        (WeightsError(""), Exit.NOTHING_DONE),
        (ImageError(""), Exit.NOTHING_DONE),
        (CacheError(""), Exit.NOTHING_DONE),
    ],
)
def test_errors_become_the_documented_exit_codes(error: OvsegError, code: Exit) -> None:
    assert exit_for(error) is code


def test_words_are_read_as_typed_or_from_a_file(tmp_path: Path) -> None:
    typed = vocabulary_from("car: sedan; -sky")
    (tmp_path / "words.yaml").write_text(typed.to_yaml())
    (tmp_path / "words.txt").write_text("car: sedan\n-sky\n")
    assert vocabulary_from(f"@{tmp_path / 'words.yaml'}") == typed
    assert vocabulary_from(f"@{tmp_path / 'words.txt'}") == typed


def test_engine_options_are_name_value_pairs() -> None:
    assert engine_options(("sigma=3", " fold = sum ")) == {"sigma": "3", "fold": "sum"}
    with pytest.raises(OptionError, match="name=value"):
        engine_options(("sigma",))
