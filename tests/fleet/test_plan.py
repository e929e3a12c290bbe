"""The same pictures give the same parts, whatever is finished already."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from annotated_samples import annotated, settings
from hypothesis import given
from hypothesis import strategies as some

from ovseg_annotate.fleet.pictures import FleetPicture
from ovseg_annotate.fleet.plan import PART_BYTES, FleetPlan, PartPlan, planned
from ovseg_annotate.lake import Answer, FileState, Lake, Storage


def picture(name: str, size: int = 10, stamp: str = "1") -> FleetPicture:
    return FleetPicture(name, FileState(f"/photos/{name}", size, stamp))


def names(parts: Iterable[PartPlan]) -> list[list[str]]:
    return [[each.name for each in part.pictures] for part in parts]


PICTURES = [picture(f"{number}.png") for number in range(10)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.adopted(Storage(str(tmp_path)), settings(), 4, replace=False)


def finish(lake: Lake, part: PartPlan, failing: Iterable[str] = ()) -> None:
    answers = [
        Answer(each.name, each.file, "", None, error="cut off")
        if each.name in failing
        else Answer(each.name, each.file, "ab", annotated(each.name))
        for each in part.pictures
    ]
    lake.write_part(answers, part.kept)


def plan(lake: Lake, pictures: Iterable[FleetPicture], *, retry: bool = False) -> FleetPlan:
    return planned(lake, pictures, retry_failed=retry)


@given(
    sizes=some.lists(some.integers(0, PART_BYTES), max_size=30),
    finished=some.sets(some.integers(0, 30)),
)
def test_finished_parts_leave_the_others_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], finished: set[int]
) -> None:
    place = Storage(str(tmp_path_factory.mktemp("lake")))
    lake = Lake.adopted(place, settings(), 4, replace=False)
    pictures = [picture(f"{number:02}.png", size) for number, size in enumerate(sizes)]
    whole = plan(lake, pictures).parts
    assert all(len(part.pictures) <= 4 for part in whole)
    assert sorted(name for part in names(whole) for name in part) == [p.name for p in pictures]
    for number in finished & set(range(len(whole))):
        finish(lake, whole[number])
    left = plan(lake, reversed(pictures))
    assert left.parts == tuple(part for number, part in enumerate(whole) if number not in finished)
    assert left.finished + left.pictures == len(pictures)


def test_new_pictures_go_into_parts_of_their_own(lake: Lake) -> None:
    for part in plan(lake, PICTURES).parts:
        finish(lake, part)
    left = plan(lake, [*PICTURES, picture("3a.png"), picture("zz.png")])
    assert names(left.parts) == [["3a.png", "zz.png"]]


def test_a_changed_picture_is_done_again_and_its_neighbours_are_kept(lake: Lake) -> None:
    for part in plan(lake, PICTURES).parts:
        finish(lake, part)
    changed = [picture("2.png", stamp="2"), *(p for p in PICTURES if p.name != "2.png")]
    (part,) = plan(lake, changed).parts
    assert names([part]) == [["2.png"]]
    assert part.kept == ("0.png", "1.png", "3.png")


def test_failed_pictures_are_tried_again_only_when_asked(lake: Lake) -> None:
    for part in plan(lake, PICTURES).parts:
        finish(lake, part, failing=["1.png", "9.png"])
    left = plan(lake, PICTURES)
    assert (left.parts, left.finished, left.failed) == ((), 8, 2)
    again = plan(lake, PICTURES, retry=True)
    assert names(again.parts) == [["1.png"], ["9.png"]] or names(again.parts) == [
        ["9.png"],
        ["1.png"],
    ]
    assert (again.finished, again.failed) == (8, 0)


def test_pictures_that_are_not_asked_for_stay_as_they_are(lake: Lake) -> None:
    for part in plan(lake, PICTURES).parts:
        finish(lake, part)
    left = plan(lake, PICTURES[:3])
    assert (left.parts, left.finished) == ((), 3)
