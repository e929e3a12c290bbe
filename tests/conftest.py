"""What several test files share."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from effort import Effort
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# The same examples in every run, so that a failure is about the change under test; new ones are
# searched for with `pytest --hypothesis-profile=search`. A busy machine is no defect either.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, derandomize=False)
settings.load_profile("steady")


_SEED = 20260131
_EFFORT = pytest.StashKey[Effort]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("soak")
    group.addoption("--soak", action="store_true", help="search long, and run the tests marked so")
    group.addoption("--soak-seed", type=int, help="the seed of a run that failed")


def pytest_configure(config: pytest.Config) -> None:
    # Short runs are the same each time; long ones look elsewhere each time, and say where.
    if config.option.soak_seed is None:
        usual = random.randrange(2**32) if config.option.soak else _SEED  # noqa: S311
        config.option.soak_seed = usual  # processes side by side get the same options
    config.stash[_EFFORT] = Effort(config.option.soak, config.option.soak_seed)


class WholeFiles(LoadScopeScheduling):  # type: ignore[misc]
    """Of processes side by side each takes whole files, or folders whose tests share fixtures."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        return folder if (self.config.rootpath / folder / "conftest.py").exists() else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> WholeFiles:
    return WholeFiles(config, log)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed of soak and hostile tests: {config.stash[_EFFORT].seed} (--soak-seed)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--soak"):
        return
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: make soak"))


@pytest.fixture(scope="session")
def effort(pytestconfig: pytest.Config) -> Effort:
    """How much the searches of tests/soak and tests/hostile do."""
    return pytestconfig.stash[_EFFORT]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads, and much slower on a busy machine."""
    import torch  # noqa: PLC0415  collecting the tests does not need it

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def napari_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A napari that neither reads nor writes anybody's settings; napari takes a place only once."""
    from napari import settings  # noqa: PLC0415  most tests need none

    path = tmp_path_factory.mktemp("napari") / "settings.yaml"
    settings.get_settings(path)
    settings.get_plugin_settings(path_dir=path.parent)
