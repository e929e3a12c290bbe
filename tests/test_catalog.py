from __future__ import annotations

import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path

import open_clip
import pytest
import torch
from backbones.micro import write_micro_clip
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg_annotate import catalog
from ovseg_annotate.catalog import (
    ENGINES,
    ModelName,
    State,
    models,
    open_engine,
    options_of,
    parse_model,
)
from ovseg_annotate.errors import ModelError
from ovseg_annotate.known_weights import KNOWN_WEIGHTS, KnownWeights
from ovseg_annotate.vocabulary import Vocabulary

NAMES = st.text(alphabet="abc-XYZ09/_.", min_size=1)


@settings(deadline=None)
@given(engine=NAMES, weights=st.text(alphabet="abc-XYZ09/_.@ ", min_size=1))
def test_a_model_name_survives_the_round_trip(engine: str, weights: str) -> None:
    if not weights.strip():
        return
    name = ModelName(engine, weights.strip())
    assert parse_model(str(name)) == name


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("mini", "naclip@mini"),
        ("sclip", "sclip@mini"),
        ("sclip@", "sclip@mini"),
        ("@mini", "naclip@mini"),
        ("", "naclip@mini"),
    ],
)
def test_half_a_model_name_is_answered_with_a_whole_one(text: str, advice: str) -> None:
    with pytest.raises(ModelError, match=f"ENGINE@WEIGHTS.*{advice}"):
        parse_model(text)


def test_an_unknown_engine_is_answered_with_the_nearest_first() -> None:
    with pytest.raises(ModelError, match="unknown engine 'scplip'; there is: sclip"):
        open_engine("scplip@mini")


def test_unknown_weights_are_answered_with_what_there_is() -> None:
    with pytest.raises(ModelError, match="ViT-B-16"):
        open_engine("naclip@ViT-B-61", offline=True)


def test_an_engine_opens_from_a_folder_and_keeps_its_text_vectors(tmp_path: Path) -> None:
    folder, cache = write_micro_clip(tmp_path / "micro"), tmp_path / "cache"
    words = Vocabulary.parse("cat; dog")
    engine = open_engine(f"naclip@{folder}", {"scale": "25"}, cache=cache, offline=True)
    first = engine.encode_text(words).embeddings
    assert len(list(cache.iterdir())) == 2
    again = open_engine(f"sclip@{folder}", cache=cache, offline=True).encode_text(words)
    assert torch.equal(first, again.embeddings)
    assert "scale=25.0" in engine.card.options


@pytest.mark.parametrize("name", [entry.name for entry in ENGINES])
def test_every_engine_tells_its_options(name: str) -> None:
    assert is_dataclass(options_of(name))


def test_engine_names_are_told_apart() -> None:
    names = [entry.name for entry in ENGINES]
    assert len(set(names)) == len(names)
    assert all(entry.description for entry in ENGINES)


@pytest.mark.parametrize("known", KNOWN_WEIGHTS, ids=lambda known: known.name)
def test_known_weights_are_those_of_open_clip(known: KnownWeights) -> None:
    configuration, _, tag = known.name.partition("/")
    published = open_clip.get_pretrained_cfg(configuration, tag)
    assert published["hf_hub"].strip("/") == known.repository
    quick = open_clip.get_model_config(configuration).get("quick_gelu", False)
    assert quick == published.get("quick_gelu", False)
    assert set(known.engines) <= {entry.name for entry in ENGINES}


def test_weights_in_the_hub_cache_count_as_cached(tmp_path: Path) -> None:
    known = KNOWN_WEIGHTS[0]
    assert {entry.state for entry in models(tmp_path)} <= {State.BUNDLED, State.DOWNLOADABLE}
    repository = tmp_path / ("models--" + known.repository.replace("/", "--"))
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "open_clip_model.safetensors").write_bytes(b"weights")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    states = {entry.weights: entry.state for entry in models(tmp_path)}
    assert states[known.name] == State.CACHED
    assert states[KNOWN_WEIGHTS[1].name] == State.DOWNLOADABLE


def test_bundled_weights_come_first_and_open_by_their_name() -> None:
    entries = models()
    bundled = [entry for entry in entries if entry.state == State.BUNDLED]
    assert list(entries[: len(bundled)]) == bundled
    for entry in bundled:
        assert open_engine(entry.name, offline=True).card.name == entry.name


def test_an_engine_of_another_package_joins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "their_package-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n"
    )
    (installed / "entry_points.txt").write_text(
        "[ovseg_annotate.engines]\n"
        "theirs = ovseg_annotate.engines.dense_clip:open_dense_clip\n"
        "broken = no.such.package:opener\n"
        "naclip = no.such.package:opener\n"  # a name of ours cannot be taken over
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    theirs = {entry.name: entry for entry in catalog.engines()[len(ENGINES) :]}
    assert {"theirs", "broken"} <= set(theirs)
    assert theirs["theirs"].description == "from their-package"
    assert "naclip" not in theirs
    assert options_of("theirs") is None
    with pytest.raises(ModelError, match="install the package"):
        open_engine("broken@mini")


def test_importing_the_catalogue_imports_no_torch() -> None:
    command = (
        "import sys, ovseg_annotate.catalog as catalog; catalog.models(); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", command], check=True)


def test_trained_systems_that_come_with_the_tower_are_listed_each() -> None:
    bundled = {entry.name for entry in models() if entry.state == State.BUNDLED}
    trained = {f"{entry.name}@mini" for entry in ENGINES if entry.trained}
    assert bundled == {"naclip@mini", *trained}


@pytest.mark.parametrize("name", [entry.name for entry in ENGINES if entry.trained])
def test_every_bundled_system_opens_and_answers(name: str) -> None:
    engine = open_engine(f"{name}@mini", offline=True)
    size = engine.card.window
    windows = torch.rand(
        (1, 3, size.height, size.width), generator=torch.Generator().manual_seed(0)
    )
    words = engine.encode_text(Vocabulary.parse("red circle; grass"))
    values = engine.score(engine.encode_image(windows), words).values
    assert values.shape[:2] == (1, 2)
    assert bool(((values >= 0) & (values <= 1)).all())
    assert catalog.weights_digest(f"{name}@mini") == engine.card.weights_digest
