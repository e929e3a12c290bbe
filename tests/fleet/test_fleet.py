"""Pictures through real workers: the answers of one machine, whatever dies on the way."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from annotated_samples import as_record, settings
from loopback import listening
from one_machine import records_of_one_machine
from PIL import Image as PillowImage
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ovseg_annotate.datasets.scenes import SceneRules, draw_scene
from ovseg_annotate.errors import Cancelled, ModelError, RunError, WeightsError
from ovseg_annotate.fleet.cluster import Fleet, fleet
from ovseg_annotate.fleet.job import Job, SessionPlan
from ovseg_annotate.fleet.options import FleetOptions
from ovseg_annotate.fleet.pictures import listed
from ovseg_annotate.fleet.plan import planned
from ovseg_annotate.fleet.stages import WrittenPart
from ovseg_annotate.geometry import Size
from ovseg_annotate.lake import Lake, LakeReader, Storage
from ovseg_annotate.run_folder import RunSettings
from ovseg_annotate.vocabulary import Vocabulary

pytestmark = [
    pytest.mark.slow,
    # Ray hands its workers' sockets and files on without closing them.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

WORDS = Vocabulary.parse("disc; square; -ground")
SESSION = SessionPlan("naclip@mini", "cpu", "float32", None, {}, offline=True)
COUNT = 12  # pictures, in parts of two


def going_on() -> bool:
    return False


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fleet") / "photos"
    folder.mkdir()
    for number in range(COUNT):
        scene = draw_scene(SceneRules(size=Size(96, 112)), number)
        PillowImage.fromarray(scene.pixels).save(folder / f"{number:02}.png")
    (folder / "05.png").write_bytes((folder / "05.png").read_bytes()[:200])  # cut off
    return folder


@pytest.fixture(scope="module")
def expected(photos: Path) -> dict[str, bytes]:
    """What one machine answers."""
    return records_of_one_machine(sorted(photos.iterdir()), WORDS)


@pytest.fixture(scope="module")
def machines() -> Iterator[Fleet]:
    """More workers than CPUs: with whole CPUs for each of them, nothing would ever be read."""
    options = FleetOptions(fleet="local", workers=3, patience=120)
    with fleet(options, on_cpu=True) as started:
        assert started.sizes.workers == 3
        yield started


@pytest.fixture(scope="module")
def one_worker(machines: Fleet) -> Fleet:
    """The same machines where one session will do: each of them starts for seconds."""
    return Fleet(machines.ray, FleetOptions(fleet="local", workers=1, patience=120), on_cpu=True)


@pytest.fixture(scope="module")
def run_settings(one_worker: Fleet) -> RunSettings:
    weights = one_worker.opened(SESSION, going_on).weights
    return settings(model=SESSION.model, weights=weights, vocabulary=str(WORDS))


class Order:
    """Pictures on their way into a lake."""

    def __init__(self, run: RunSettings, sources: Sequence[str], out: Path) -> None:
        self.out = str(out)
        self._sources = sources
        self._lake = Lake.adopted(Storage(self.out), run, 2, replace=False)
        self._job = Job(SESSION, run, self.out, self._lake.part_pictures)

    def parts(self, machines: Fleet, *, retry: bool = False) -> Iterator[WrittenPart]:
        pictures = listed(self._sources, leave_out=self.out)
        plan = planned(self._lake, pictures, retry_failed=retry)
        return machines.annotated(self._job, plan.parts, going_on)

    def answers(self) -> dict[str, bytes]:
        return {image.name: as_record(image) for image in LakeReader(self.out).images()}

    def files(self) -> dict[str, bytes]:
        root = Path(self.out)
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*.parquet")}


def told(parts: Iterator[WrittenPart]) -> dict[str, str | None]:
    return {each.name: each.error for part in parts for each in part.pictures}


@pytest.fixture(scope="module")
def finished(
    machines: Fleet,
    run_settings: RunSettings,
    photos: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Order:
    """A lake that nothing disturbed."""
    order = Order(run_settings, [str(photos)], tmp_path_factory.mktemp("lakes") / "whole")
    outcomes = told(order.parts(machines))
    assert len(outcomes) == COUNT
    assert [name for name, error in outcomes.items() if error is not None] == ["05.png"]
    return order


def test_every_answer_is_that_of_one_machine(finished: Order, expected: dict[str, bytes]) -> None:
    assert len(expected) == COUNT - 1
    assert finished.answers() == expected


def test_a_damaged_picture_is_written_down_and_not_tried_again(
    finished: Order, machines: Fleet
) -> None:
    assert LakeReader(finished.out).failed == 1
    assert told(finished.parts(machines)) == {}


def test_a_worker_that_is_killed_costs_nothing(
    machines: Fleet, run_settings: RunSettings, photos: Path, tmp_path: Path, finished: Order
) -> None:
    order = Order(run_settings, [str(photos)], tmp_path / "lake")
    parts = order.parts(machines)
    first = next(parts)
    workers = [
        process
        for process in psutil.Process().children(recursive=True)
        if "MapWorker" in process.name() + " ".join(process.cmdline())
    ]
    assert len(workers) == 3
    for worker in workers[:2]:
        worker.kill()
    names = [each.name for part in itertools.chain([first], parts) for each in part.pictures]
    assert sorted(names) == sorted(f"{number:02}.png" for number in range(COUNT))
    assert order.files() == finished.files()


def test_pictures_come_from_a_web_server_and_a_stopped_lake_goes_on(
    one_worker: Fleet, run_settings: RunSettings, photos: Path, tmp_path: Path
) -> None:
    app = Starlette(routes=[Mount("/photos", StaticFiles(directory=photos))])
    names = [f"{number:02}.png" for number in (0, 1, 2, 3, 99)]
    with listening(app) as address:
        (tmp_path / "list.txt").write_text("\n".join(f"{address}/photos/{n}" for n in names))
        order = Order(run_settings, [str(tmp_path / "list.txt")], tmp_path / "lake")
        parts = order.parts(one_worker)
        done = [each.name for each in next(parts).pictures]
        parts.close()  # type: ignore[attr-defined]
        rest = told(order.parts(one_worker))
    assert not set(done) & set(rest)
    lake = LakeReader(order.out)
    assert [Path(image.name).name for image in lake.images()] == names[:4]
    assert lake.failed == 1


def test_a_model_that_does_not_exist_is_told_before_anything_is_read(machines: Fleet) -> None:
    wrong = SessionPlan("naclip@nothing", "cpu", "float32", None, {}, offline=True)
    with pytest.raises(ModelError, match="nothing"):
        machines.opened(wrong, going_on)


def test_a_person_who_wants_to_stop_is_heard_while_workers_start(machines: Fleet) -> None:
    with pytest.raises(Cancelled, match="stopped on request"):
        machines.opened(SESSION, lambda: True)


def test_other_weights_on_a_worker_are_refused(
    one_worker: Fleet, run_settings: RunSettings, photos: Path, tmp_path: Path
) -> None:
    other = dataclasses.replace(run_settings, weights="f" * 64)
    order = Order(other, [str(photos)], tmp_path / "lake")
    with pytest.raises(WeightsError, match=r"has other weights of naclip@mini"):
        next(order.parts(one_worker))


def test_a_fleet_that_gets_nowhere_gives_up_with_what_to_do(
    machines: Fleet, run_settings: RunSettings, photos: Path, tmp_path: Path
) -> None:
    hasty = Fleet(machines.ray, FleetOptions(fleet="local", workers=1, patience=0.05), on_cpu=True)
    order = Order(run_settings, [str(photos)], tmp_path / "lake")
    with pytest.raises(RunError, match=r"made no progress for 0.05 s: .*more --patience"):
        next(order.parts(hasty))
