"""The command line, with the bundled model and a small Label Studio."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_label_studio import PROJECT, UID, FakeLabelStudio
from loopback import listening
from PIL import Image as Pillow
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typer.testing import CliRunner

from labelstudio_backend.cli import app
from labelstudio_backend.label_config import read_label_config
from labelstudio_backend.memory import memory_of
from labelstudio_backend.projects import TypedWords
from labelstudio_backend.settings import Settings
from labelstudio_backend.words import Wording
from ovseg_annotate.datasets.scenes import SceneRules, SceneStyle, draw_scene
from ovseg_annotate.errors import OptionError, RunError, VersionError, VocabularyError
from ovseg_annotate.geometry import Size

ROOT = Path(__file__).parents[2]


def called(*arguments: object, code: int = 0) -> tuple[str, str]:
    """What a verb says to stdout and to stderr; errors of ours are raised."""
    done = CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def picture(seed: int) -> bytes:
    file = io.BytesIO()
    rules = SceneRules(SceneStyle.MICROSCOPY, Size(96, 128), object_scale=2.0)
    Pillow.fromarray(draw_scene(rules, seed).pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def fake() -> FakeLabelStudio:
    return FakeLabelStudio(4)


@pytest.fixture
def address(
    fake: FakeLabelStudio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    async def upload(request: Request) -> Response:
        number = int(request.path_params["number"].removesuffix(".png"))
        return Response(b"no picture" if number == 3 else picture(number), media_type="image/png")

    served = fake.app
    served.routes.append(Route("/data/upload/3/{number}", upload))
    with listening(served) as url:
        monkeypatch.setenv("LABEL_STUDIO_URL", url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", "a-plain-token")
        monkeypatch.setenv("OVSEG_DATA", str(tmp_path / "data"))
        yield url


@pytest.mark.usefixtures("address")
def test_a_push_stores_suggestions_and_tells_what_failed(
    fake: FakeLabelStudio, tmp_path: Path
) -> None:
    version, talk = called("push", "--project", PROJECT, "--journal", tmp_path, code=1)
    assert fake.stored == {task: [version.strip()] for task in (1, 2, 4)}
    assert fake.shown_version == version.strip()
    assert "task 3: " in talk
    assert "3 tasks got suggestions, 1 failed; the same command tries those again" in talk
    assert fake.keys == {"Token a-plain-token"}


@pytest.mark.usefixtures("address")
def test_other_settings_are_another_version(fake: FakeLabelStudio, tmp_path: Path) -> None:
    flags = ("push", "--project", PROJECT, "--journal", tmp_path)
    first, _ = called(*flags, code=1)
    second, _ = called(*flags, "--suggest", "minimum_area=2000", "--no-show", code=1)
    assert fake.stored[1] == [first.strip(), second.strip()]
    assert fake.shown_version == first.strip()


@pytest.mark.usefixtures("address")
def test_two_pushes_of_one_project_at_a_time_are_refused(
    fake: FakeLabelStudio, tmp_path: Path
) -> None:
    from labelstudio_backend.journal import Journal  # noqa: PLC0415

    version, _ = called("push", "--project", PROJECT, "--journal", tmp_path, code=1)
    (path,) = tmp_path.glob("*.sqlite")
    with Journal(path), pytest.raises(RunError, match="another push"):
        called("push", "--project", PROJECT, "--journal", tmp_path)
    assert fake.stored[1] == [version.strip()]


@pytest.mark.usefixtures("address")
def test_a_push_looks_for_the_words_that_were_typed_in_the_project(
    fake: FakeLabelStudio, tmp_path: Path
) -> None:
    flags = ("push", "--project", PROJECT)
    before, _ = called(*flags, code=1)
    server = os.environ["LABEL_STUDIO_URL"]
    words = TypedWords("image", Wording("red", ("cell nucleus",)))
    memory_of(Settings(data=tmp_path / "data", label_studio_url=server)).projects.typed(UID, words)
    after, _ = called(*flags, code=1)
    assert before != after
    assert fake.stored[1] == [before.strip(), after.strip()]


@pytest.mark.usefixtures("address")
def test_versions_of_a_project_that_learnt_nothing_are_the_model_as_it_came() -> None:
    lines, _ = called("versions", "--project", PROJECT)
    assert lines.startswith("* base")
    with pytest.raises(VersionError, match="nothing to go back to"):
        called("versions", "--project", PROJECT, "back")


def test_learning_needs_to_read_label_studio(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    with pytest.raises(OptionError, match="set LABEL_STUDIO_API_KEY"):
        called("serve", "--learn", "--port", 0, "--data", tmp_path)


def test_a_printed_config_can_be_read() -> None:
    config, _ = called("config", "--prompts", "car: van @0.4; -sky", "--shapes", "brush")
    (brush, *_) = read_label_config(config).controls
    assert [label.name for label in brush.labels] == ["car", "sky"]


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (("config", "--prompts", "-sky"), VocabularyError, "nothing to label"),
        (("config", "--prompts", "car", "--shapes", "star"), OptionError, "polygon"),
        (("push", "--project", "1", "--suggest", "contrast"), OptionError, "NAME=VALUE"),
        (("push", "--project", "1", "--suggest", "colour=red"), OptionError, "means nothing"),
        (("serve", "--host", "0.0.0.0"), OptionError, "BASIC_AUTH_USER"),  # noqa: S104
        (("connect", "--project", "1", "--backend-url", "here"), OptionError, "backend_url"),
        (("serve", "--learn-after", "0"), OptionError, "at least 1"),
    ],
)
def test_a_mistake_says_what_is_allowed(
    arguments: tuple[str, ...], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        called(*arguments)


def test_a_mistake_is_a_message_and_no_trace() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "labelstudio_backend", "config", "--prompts", "-sky"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: nothing to label")


def test_asking_for_help_imports_no_network_library() -> None:
    code = (
        "import sys\nsys.argv = ['x', 'push', '--help']\n"
        "from labelstudio_backend.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit:\n    sys.exit(int('torch' in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
