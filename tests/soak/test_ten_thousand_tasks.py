"""A project of 10 000 tasks.

What must hold: a push, and a round of learning, take time in proportion to the tasks, and hardly
more memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from effort import Effort
from fake_label_studio import PROJECT, FakeLabelStudio
from learning_desk import answered, desk_at, label_studio
from loopback import listening
from soak.growth import memory_now

from labelstudio_backend.journal import Journal
from labelstudio_backend.label_studio import LabelStudio
from labelstudio_backend.push import Push, PushOptions
from labelstudio_backend.rest import RestClient
from labelstudio_backend.tokens import Tokens
from labelstudio_backend.wire import Prediction, Task

NEVER: Callable[[], bool] = lambda: False  # noqa: E731
MEMORY = 64 * 2**20  # bytes that four times the tasks may take above what they are


def pushed(tasks: int, folder: Path) -> None:
    fake = FakeLabelStudio(tasks)

    def suggest(task: Task) -> Prediction:
        return Prediction(({"id": str(task.id), "value": {}},), 0.5, "v1")

    with (
        listening(fake.app) as url,
        closing(Tokens(url, "a-plain-token")) as tokens,
        closing(RestClient(url, tokens)) as client,
        Journal(folder / f"{tasks}.sqlite") as journal,
    ):
        push = Push(LabelStudio(client), journal, suggest, "v1", PushOptions(PROJECT))
        assert sum(1 for _ in push.run(NEVER)) == tasks
    assert fake.stored_count == tasks


def learnt(tasks: int, folder: Path) -> None:
    """Everything is answered; then some of it in another way; then nothing has changed."""
    fake = label_studio(tasks)
    answered(fake, *range(1, tasks + 1))
    data = folder / str(tasks)
    with desk_at(fake, data) as desk:
        assert f"{tasks} corrections taken up" in desk.round()
        some = range(1, tasks + 1, 10)
        for task in some:
            fake.annotate(task, [])  # somebody took everything out again
        assert f"{len(some)} corrections taken up" in desk.round()
        assert desk.round() == "nothing has changed"


@pytest.mark.parametrize("work", [pushed, learnt])
@pytest.mark.timeout(900)
def test_four_times_the_tasks_take_four_times_as_long(
    work: Callable[[int, Path], None], tmp_path: Path, effort: Effort
) -> None:
    many = effort.rounds(short=80, long=10_000)
    work(16, tmp_path)  # whatever is loaded on first use
    seconds, memory = [], []
    for tasks in (many // 4, many):
        before, began = memory_now(), time.process_time()
        work(tasks, tmp_path)
        seconds.append(time.process_time() - began)
        memory.append(memory_now() - before)
    print(f"{work.__name__}: {seconds[1]:.1f} s of processor time for {many} tasks")  # noqa: T201
    assert seconds[1] <= 4 * 1.7 * seconds[0] + 1.0, seconds
    assert memory[1] - memory[0] <= MEMORY, memory
