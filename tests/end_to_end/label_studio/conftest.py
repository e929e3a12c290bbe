"""The stages of one long day with Label Studio; each fixture goes on where another ended."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from end_to_end.label_studio.house import House, Project, opened_house
from end_to_end.label_studio.pictures import WORDS, lying, microscopy
from second_environment import second_python


@pytest.fixture(scope="session")
def studio_python() -> Path:
    """The interpreter of the environment that holds Label Studio and Playwright."""
    python = second_python()
    if shutil.which("chromium") is None:
        pytest.skip("Chromium is not installed; install it, for example: apt install chromium")
    return python


@pytest.fixture(scope="session")
def screenshots() -> Path:
    folder = Path(__file__).parents[1] / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def house(studio_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened_house(studio_python, tmp_path_factory.mktemp("label-studio")) as house:
        yield house


@pytest.fixture(scope="session")
def project(house: House) -> Project:
    """Polygons and brushes, connected; nothing is suggested yet."""
    config = house.run("config", "--prompts", WORDS, "--shapes", "polygon,brush")
    pictures = (*microscopy((900, 907, 914, 915)), lying(900))
    project = house.project("polygons and brushes", config, pictures)
    house.run("connect", "--project", str(project.number), "--backend-url", house.proxy_url)
    return project
