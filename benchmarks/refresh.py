"""How soon a refresh can be stopped, and what one thread is worth to it beside busy cores.

Eight corrected pictures of held-out microscopy, on kept features, with `naclip@mini`. Every time
that learning asks whether to stop is noted: between two of them, nobody can stop it. Then the same
corrections are learnt from beside as many busy processes as there are cores: with one BLAS thread,
as refreshes do (decision 27), and with as many as the library takes, which is one as well where
OMP_NUM_THREADS or OPENBLAS_NUM_THREADS says so. Compared is the time of the processor: how long it
takes depends on what else the machine does.

    python benchmarks/refresh.py
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path

from learning_loop import mended, scene_pool

from ovseg_annotate.learning_loop.fitting import LearnOptions
from ovseg_annotate.learning_loop.one_thread import one_blas_thread
from ovseg_annotate.learning_loop.project import Project
from ovseg_annotate.learning_loop.refreshing import Kept, gathered, refreshed
from ovseg_annotate.session import open_session
from ovseg_annotate.watch import Watch

PICTURES = 8


def main() -> None:
    session = open_session("naclip@mini", device="cpu")
    pool = scene_pool(PICTURES, 0)
    corrections = [
        mended(name, pool, session.annotate(known.image, pool.words))[0]
        for name, known in pool.pictures.items()
    ]
    questions = [0.0]

    def asked() -> bool:
        questions.append(time.perf_counter())
        return False

    with tempfile.TemporaryDirectory() as folder, Project(Path(folder)) as project:
        for each in corrections:
            project.take(each)
        questions[0] = time.perf_counter()
        project.refresh(session, pool.asked, watch=Watch(cancel=asked))
        questions.append(time.perf_counter())
        found = gathered(session, pool.asked, project.journal, Kept(), Watch())
    longest = max(after - before for before, after in pairwise(questions))
    tell("refresh: the longest wait until it can be stopped", longest, "s", at_most=0.5)
    tell(f"refresh from {PICTURES} pictures", questions[-1] - questions[0], "s")

    took, spent = [], []
    with busy_cores():
        for threads in (one_blas_thread, nullcontext):
            start, worked = time.perf_counter(), time.process_time()
            with threads():
                refreshed(session, pool.asked, found, None, LearnOptions(), Watch())
            took.append(time.perf_counter() - start)
            spent.append(time.process_time() - worked)
    tell(f"learning from {PICTURES} pictures beside busy cores, one thread", took[0], "s")
    tell("the same, all threads", took[1], "s")
    share = spent[0] / spent[1]
    tell("processor time of one thread over that of all threads", share, "of it", at_most=0.5)


@contextmanager
def busy_cores() -> Iterator[None]:
    """As many processes that never rest as there are cores."""
    spawning = multiprocessing.get_context("spawn")
    count = os.cpu_count() or 1
    begun = spawning.Semaphore(0)
    busy = [spawning.Process(target=work, args=(begun,), daemon=True) for _ in range(count)]
    for each in busy:
        each.start()
    for _ in busy:
        begun.acquire()
    try:
        yield
    finally:
        for each in busy:
            each.terminate()
            each.join()


def work(begun: multiprocessing.synchronize.Semaphore) -> None:
    begun.release()
    while True:
        pass


def tell(name: str, value: float, unit: str, *, at_most: float | None = None) -> None:
    reached = None if at_most is None else value <= at_most
    line = {"name": name, "value": value, "target": at_most, "unit": unit, "reached": reached}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
