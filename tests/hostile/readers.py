"""Everything here that reads what others may have written, with a good example of each."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hostile.data_readers import data_readers
from hostile.kept_readers import kept_readers
from hostile.packet_readers import packet_readers
from hostile.reader import WORDS, Reader, annotated
from safetensors.torch import save

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.backbones.checkpoints import read_state
from ovseg_annotate.backbones.folder import read_folder
from ovseg_annotate.backbones.system_folder import find_system
from ovseg_annotate.descriptions.reading import read_descriptions
from ovseg_annotate.descriptions.weights import read_weights
from ovseg_annotate.evaluation.card import read_training
from ovseg_annotate.feature_store import FeatureStore, key_of
from ovseg_annotate.formats.catalogue import FORMATS, format_named
from ovseg_annotate.formats.label_studio_results import LabelStudioOptions
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.regions import RegionOptions
from ovseg_annotate.run_folder import Fingerprint, Picture, RunFolder, RunReader, RunSettings
from ovseg_annotate.run_folder.exports import Exports
from ovseg_annotate.text.store import VectorStore
from ovseg_annotate.training.checkpoints import Checkpoint, last_checkpoint, save_checkpoint
from ovseg_annotate.training.progress import read_log
from ovseg_annotate.training.recipes import read_recipe
from ovseg_annotate.vocabulary import Vocabulary

ROOT = Path(__file__).parents[2]


def readers() -> Iterator[Reader]:
    yield from _formats()
    yield from _words()
    yield from _run_folder()
    yield from _weights()
    yield from _training()
    yield from data_readers()
    yield from kept_readers()
    yield from packet_readers()


def _formats() -> Iterator[Reader]:
    variants: list[tuple[str, object]] = [(name, None) for name in FORMATS]
    variants += [
        ("label-studio", LabelStudioOptions(shapes=shape)) for shape in ("brush", "bitmask")
    ]
    for number, (name, options) in enumerate(variants):
        chosen = format_named(name)

        def write(folder: Path, chosen: Any = chosen, options: object = options) -> None:
            chosen.write([annotated("a.png"), annotated("b.png")], folder, options)

        def read(folder: Path, chosen: Any = chosen) -> object:
            return [image.regions for image in chosen.read(folder)]

        yield Reader(f"{name} {number}", write, read)


def _words() -> Iterator[Reader]:
    yield Reader(
        "vocabulary yaml",
        lambda folder: (folder / "words.yaml").write_text(WORDS.to_yaml()),
        lambda folder: str(Vocabulary.read(folder / "words.yaml")),
    )
    yield Reader(
        "vocabulary text",
        lambda folder: (folder / "words.txt").write_text(str(WORDS)),
        lambda folder: Vocabulary.read(folder / "words.txt").colours,
    )
    described = [{"name": "nucleus", "colour": ["dark blue"], "shape_size": ["round"]}]
    for suffix in ("json", "yaml"):  # JSON is YAML
        yield Reader(
            f"descriptions {suffix}",
            lambda folder, to=suffix: (folder / f"told.{to}").write_text(json.dumps(described)),
            lambda folder, of=suffix: read_descriptions(folder / f"told.{of}"),
        )
    yield Reader(
        "weights of descriptions",
        lambda folder: (folder / "w.json").write_text('{"weights": {"car": 0.5, "road": 1}}'),
        lambda folder: read_weights(folder / "w.json").digest,
    )


def _settings() -> RunSettings:
    options = (AnnotateOptions(), RegionOptions(), ReadingOptions())
    return RunSettings("fake@none", "0" * 64, "", str(WORDS), *options)


def _write_run(folder: Path) -> None:
    with RunFolder(folder) as run:
        picture = Picture("a.png", folder / "run.json")  # any file: it is not read as a picture
        run.adopt(_settings(), [picture], replace=False)
        run.save(picture, Fingerprint.of(picture.path), annotated())
        run.save_correction(annotated("b.png"), accepted=True)


def _read_run(folder: Path) -> object:
    pictures = [Picture(name, folder / "run.json") for name in ("a.png", "b.png")]
    reader = RunReader(folder)
    with RunFolder(folder) as run:
        run.adopt(reader.settings, pictures, replace=True)
        plan = run.plan(pictures)
        standing = [run.standing(each) for each in pictures]
        for picture in pictures:
            run.restore_suggestion(picture)
    return plan, standing, [record.source for record in reader.records()]


def _run_folder() -> Iterator[Reader]:
    yield Reader("run folder", _write_run, _read_run, "*.json")
    yield Reader(
        "exports of a run",
        lambda folder: Exports(folder).publish("masks", lambda to: (to / "a").write_text("a")),
        lambda folder: Exports(folder).publish("masks", lambda to: (to / "a").write_text("b")),
        "exports.json",
    )


def _tensors() -> dict[str, torch.Tensor]:
    return {"tokens": torch.arange(24.0).reshape(2, 3, 4), "scale": torch.ones(1)}


def _write_store(folder: Path) -> None:
    FeatureStore(folder=folder).put(key_of("a"), _tensors())
    VectorStore(folder / "words").put({"car": np.arange(8, dtype=np.float32)})


def _read_store(folder: Path) -> object:
    found = FeatureStore(folder=folder).get(key_of("a"))
    assert found is None or torch.equal(found["tokens"], _tensors()["tokens"])
    vector = VectorStore(folder / "words").get("car")
    assert vector is None or np.array_equal(vector, np.arange(8))
    return found


def _write_tower(folder: Path) -> None:
    source = ROOT / "ovseg_annotate" / "assets" / "mini"
    for path in source.iterdir():
        if path.is_file() and path.suffix in (".json", ".gz"):
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / "open_clip_model.safetensors").write_bytes(save(_tensors()))


def _write_system(folder: Path) -> None:
    card = {"system": "logoseg", "tower": "mini", "tower_digest": "00", "parts": {"depth": 2}}
    (folder / "system.json").write_text(json.dumps(card))
    (folder / "model.safetensors").write_bytes(save(_tensors()))


def _write_torch(folder: Path) -> None:
    content = io.BytesIO()
    torch.save({"state_dict": _tensors()}, content)
    (folder / "weights.pt").write_bytes(content.getvalue())


def _weights() -> Iterator[Reader]:
    yield Reader("feature store", _write_store, _read_store)
    yield Reader("tower folder", _write_tower, read_folder, "*.json")
    yield Reader(
        "system folder",
        _write_system,
        lambda folder: find_system("logoseg", str(folder)).digest,
        "*.json",
    )
    yield Reader("torch file", _write_torch, lambda folder: read_state(folder / "weights.pt"))
    yield Reader(
        "safetensors file",
        lambda folder: (folder / "w.safetensors").write_bytes(save(_tensors())),
        lambda folder: read_state(folder / "w.safetensors"),
    )
    yield Reader(
        "card of an evaluation",
        lambda folder: (folder / "card.json").write_text('{"trained_steps": 3, "history": "a"}'),
        lambda folder: read_training(None, folder / "card.json"),
    )


def _write_checkpoint(folder: Path) -> None:
    save_checkpoint(folder, Checkpoint(3, _tensors(), _tensors(), ({"state": {}},), "ab"))
    (folder / "log.jsonl").write_text('{"step": 1}\n')


def _training() -> Iterator[Reader]:
    recipe = (ROOT / "recipes" / "mini.toml").read_text(encoding="utf-8")
    yield Reader(
        "recipe",
        lambda folder: (folder / "r.toml").write_text(recipe, encoding="utf-8"),
        lambda folder: read_recipe(folder / "r.toml", {"loop": {"steps": 3}}),
    )
    yield Reader("checkpoint", _write_checkpoint, last_checkpoint, "*.pt")
    yield Reader("log of a training", _write_checkpoint, read_log, "*.jsonl")
