"""Annotates many small pictures of mixed sizes and tells what it holds: PICTURES OUT."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from annotated_samples import settings
from cli.fake_annotator import WORDS
from fake_engine import FakeEngine
from soak.growth import held, tell

from ovseg_annotate.devices import placement
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.regions import RegionOptions
from ovseg_annotate.run_folder import RunFolder, pictures_in
from ovseg_annotate.run_folder.annotating import annotate_into
from ovseg_annotate.session import Session

EVERY = 10

if __name__ == "__main__":
    torch.set_num_threads(1)
    photos, out = map(Path, sys.argv[1:])
    store = FeatureStore(memory_bytes=2**20, folder=out / "cache", disk_bytes=2**22)
    session = Session(FakeEngine(), placement("cpu", "float32", half_precision=False), store)
    pictures = pictures_in([photos])
    with RunFolder(out / "run") as run:
        run.adopt(settings(), pictures, replace=False)
        results = annotate_into(
            run, pictures, lambda paths: session.annotate_many(paths, WORDS), RegionOptions()
        )
        for number, result in enumerate(results):
            assert result.error is None
            if number % EVERY == 0:
                tell(held())
