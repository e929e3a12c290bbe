"""The contract over the whole catalogue; a new engine joins by standing in it."""

from __future__ import annotations

import pytest
from backbones.micro import write_micro_clip
from engines.contract import EngineContract
from engines.micro_conv import write_micro_conv

from ovseg_annotate.catalog import ENGINES

# Engines that cannot run on the micro transformer.
_OTHER_TOWERS = {"conv": write_micro_conv}


@pytest.mark.parametrize("name", [entry.name for entry in ENGINES], scope="class")
class TestEveryEngine(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, name: str, tmp_path_factory: pytest.TempPathFactory) -> str:
        write = _OTHER_TOWERS.get(name, write_micro_clip)
        return f"{name}@{write(tmp_path_factory.mktemp(name))}"
