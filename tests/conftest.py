"""What several test files share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

# The same examples in every run, so that a failure is about the change under test; new ones are
# searched for with `pytest --hypothesis-profile=search`. A busy machine is no defect either.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, derandomize=False)
settings.load_profile("steady")


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
