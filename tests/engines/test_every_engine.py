"""The contract over the training-free engines; a new one joins by standing in the catalogue.

Trained ones need weights of their own and have tests of their own, which are looked for here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from backbones.micro import write_micro_clip
from engines.contract import EngineContract
from engines.micro_conv import write_micro_conv

from ovseg_annotate.catalog import ENGINES

# Engines that cannot run on the micro transformer.
_OTHER_TOWERS = {"conv": write_micro_conv}


@pytest.mark.parametrize(
    "name", [entry.name for entry in ENGINES if not entry.trained], scope="class"
)
class TestEveryEngine(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, name: str, tmp_path_factory: pytest.TempPathFactory) -> str:
        write = _OTHER_TOWERS.get(name, write_micro_clip)
        return f"{name}@{write(tmp_path_factory.mktemp(name))}"


@pytest.mark.parametrize("name", [entry.name for entry in ENGINES if entry.trained])
def test_a_trained_engine_is_held_to_the_contract_too(name: str) -> None:
    tests = (Path(__file__).parent / f"test_{name}.py").read_text()
    assert "(EngineContract)" in tests
