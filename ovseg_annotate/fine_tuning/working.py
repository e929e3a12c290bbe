"""The training of a fine-tuning: in this process or in one of its own, after any stop or kill."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from ovseg_annotate.errors import Cancelled
from ovseg_annotate.fine_tuning.beginning import tunable
from ovseg_annotate.fine_tuning.head_training import (
    BestHead,
    HeadTuning,
    TuningBatches,
    best_head,
    best_score,
)
from ovseg_annotate.fine_tuning.job import (
    BEST,
    HELD_BACK,
    LEARNT,
    START,
    Trained,
    read_job,
    read_trained,
    write_trained,
)
from ovseg_annotate.fine_tuning.material import read_material
from ovseg_annotate.fine_tuning.options import FineTuneOptions
from ovseg_annotate.lessons.head_weights import digest_of_weights, tuned
from ovseg_annotate.lessons.tuned_head import TunedHead
from ovseg_annotate.run_folder.lock import FolderLock
from ovseg_annotate.training.checkpoints import load_checkpoint
from ovseg_annotate.training.loop import train
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.progress import Progress, read_log
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

if TYPE_CHECKING:
    from ovseg_annotate.session import Session


def work(
    folder: Path,
    session: Session,
    options: FineTuneOptions,
    watch: Watch,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Trained:
    """Train until the schedule ends or what is held back gets no better; go on if it was begun.

    `Cancelled` soon after the watch wants to stop, with everything on disk to go on from.
    """
    with FolderLock(folder):
        ended = read_trained(folder)
        if ended is not None:
            return ended
        card, engine = read_job(folder), tunable(session)
        vocabulary = Vocabulary.parse(card.competing)
        start = tuned(engine.head, TunedHead(card.start, _start(folder)))
        training = HeadTuning(engine, start, options)
        best = BestHead(
            engine,
            engine.head,
            training.module,
            read_material(folder / HELD_BACK),
            vocabulary,
            folder / BEST,
        )
        ending = _Ending(folder, options, watch)

        def follow(progress: Progress) -> None:
            ending.look_at(progress.step)
            on_progress(progress)

        outcome = train(
            training,
            TuningBatches(read_material(folder / LEARNT), vocabulary, options),
            loop_options(options),
            folder,
            follow,
            score=best.score,
            stopped=lambda: ending.is_due,
        )
        if outcome.step < options.steps and not ending.no_better:
            raise Cancelled(
                f"stopped on request after step {outcome.step} of the fine-tuning; the same "
                "command goes on from there"
            )
        after = tuned(engine.head, TunedHead("", best_head(folder / BEST)))
        trained = Trained(
            steps=outcome.step,
            score=best_score(folder / BEST) or 0.0,
            head_before=digest_of_weights(start),
            head_after=digest_of_weights(after),
        )
        write_trained(folder, trained)
        return trained


def loop_options(options: FineTuneOptions) -> LoopOptions:
    """A checkpoint after each score, so that going on repeats no more than the steps between."""
    return LoopOptions(
        steps=options.steps,
        seed=options.seed,
        learning_rate=options.learning_rate,
        weight_decay=0.0,
        warmup_steps=min(options.score_every, options.steps // 2),
        precision="fp32",
        ema_decay=0.9,
        log_every=options.score_every,
        checkpoint_every=options.score_every,
        score_every=options.score_every,
    )


class _Ending:
    """When to end before the last step: no better for long, or somebody asked."""

    def __init__(self, folder: Path, options: FineTuneOptions, watch: Watch) -> None:
        self._folder = folder
        self._options = options
        self._watch = watch
        self.no_better = False
        checkpoint = load_checkpoint(folder)
        if checkpoint is not None:
            self.look_at(checkpoint.step)

    def look_at(self, step: int) -> None:
        """Decide from the log alone, so that a run that goes on ends where it would have ended."""
        scores = [
            each.score
            for each in read_log(self._folder)
            if each.score is not None and each.step == each.scored_at and each.step <= step
        ]
        if scores:
            since = len(scores) - 1 - scores.index(max(scores))
            self.no_better = since >= self._options.patience

    @property
    def is_due(self) -> bool:
        cancel = self._watch.cancel
        return self.no_better or (cancel is not None and cancel())


def _start(folder: Path) -> Mapping[str, NDArray[np.float16]]:
    """What an earlier fine-tuning added to the head."""
    path = folder / START
    return load_file(path) if path.is_file() else {}
