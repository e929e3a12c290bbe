"""One loop for everything that can be trained."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ovseg_annotate.errors import OptionError, RunError
from ovseg_annotate.options import digest_text
from ovseg_annotate.training.averaged import averaged_weights_in
from ovseg_annotate.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from ovseg_annotate.training.curves import draw_curves
from ovseg_annotate.training.distributed import (
    Peers,
    any_of,
    average_gradients,
    average_numbers,
    steps_of_all,
)
from ovseg_annotate.training.optimisers import (
    SHARE,
    AveragedWeights,
    learning_rate_at,
    make_optimisers,
)
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.progress import Progress, append_to_log, read_log
from ovseg_annotate.training.stops import Stop, StopWhen, ignore_interrupts, stop_requests

Batch = TypeVar("Batch")
Batch_contra = TypeVar("Batch_contra", contravariant=True)
Batch_co = TypeVar("Batch_co", covariant=True)

FAILED_BATCHES_FILE = "failed_batches.json"
ALONE = Peers()


class Trainable(Protocol[Batch_contra]):
    @property
    def module(self) -> nn.Module: ...

    def losses(self, batch: Batch_contra) -> Mapping[str, Tensor]:
        """Named parts, already weighted; the loop adds them up."""
        ...


class BatchSource(Protocol[Batch_co]):
    """Batches by number; the same number gives the same batch, in any process."""

    def batch(self, number: int) -> Batch_co: ...

    def seeds(self, number: int) -> tuple[int, ...]:
        """What the batch was drawn from, to draw it again."""
        ...


class Ending(StrEnum):
    FINISHED = "finished"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Outcome:
    ending: Ending
    step: int


def train(  # noqa: PLR0913  the last by name
    trainable: Trainable[Batch],
    source: BatchSource[Batch],
    options: LoopOptions,
    run_folder: Path,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    peers: Peers = ALONE,
    *,
    score: Callable[[], float] | None = None,
    stopped: Callable[[], bool] | None = None,
) -> Outcome:
    """Train until the last step or until told to stop; go on where the run folder left off.

    SIGTERM and SIGINT end the run after the current step with a checkpoint; where `stopped` is
    given it does so alone, and signals are the caller's. `score` measures the trainable's module,
    every `options.score_every` steps with the averaged weights in it; what it does to weights,
    modes and torch's random state is undone.
    """
    if options.score_every and score is None:
        raise OptionError(
            f"score_every: got {options.score_every}, but this training has no score to measure; "
            "set it to 0"
        )
    run = _Run(trainable, source, options, run_folder, peers)
    run.resume()
    if stopped is not None:
        return run.go_on(StopWhen(stopped), on_progress, score)
    with stop_requests() as stop:
        return run.go_on(stop, on_progress, score)


class _Run(Generic[Batch]):
    """The moving parts of one run."""

    def __init__(
        self,
        trainable: Trainable[Batch],
        source: BatchSource[Batch],
        options: LoopOptions,
        folder: Path,
        peers: Peers,
    ) -> None:
        self._trainable = trainable
        self._source = source
        self._options = options
        self._folder = folder
        self._peers = peers
        self._module = trainable.module
        self._device = next(self._module.parameters()).device
        self._optimisers = make_optimisers(self._module, options)
        self._averaged = AveragedWeights(self._module, options.ema_decay)
        self._step = 0
        self._score: float | None = None
        self._scored_at: int | None = None
        self._told = False  # there is something to draw
        folder.mkdir(parents=True, exist_ok=True)

    def resume(self) -> None:
        self._load()
        steps = steps_of_all(self._step, self._device, self._peers)
        if min(steps) != max(steps):
            raise RunError(
                f"the processes found {self._folder} at different steps: {list(steps)}, in the "
                "order of their ranks; put the run folder where all of them see the same files"
            )

    def _load(self) -> None:
        checkpoint = load_checkpoint(self._folder)
        if checkpoint is None:
            return
        if checkpoint.settings != _settings(self._options):
            raise RunError(
                f"the run in {self._folder} was started with other options:\n"
                f"  then {checkpoint.settings}\n  now  {_settings(self._options)}\n"
                "go on with the same ones, or name another run folder"
            )
        self._module.load_state_dict(dict(checkpoint.module))
        self._averaged.load(dict(checkpoint.averaged))
        for optimiser, state in zip(self._optimisers, checkpoint.optimisers, strict=True):
            optimiser.load_state_dict(dict(state))
        self._step = checkpoint.step
        for record in read_log(self._folder):
            if record.scored_at is not None and record.scored_at <= self._step:
                self._score, self._scored_at = record.score, record.scored_at

    def go_on(
        self,
        stop: Stop,
        on_progress: Callable[[Progress], None],
        score: Callable[[], float] | None,
    ) -> Outcome:
        options = self._options
        first, started = self._step, time.monotonic()
        batches = self._batches()
        self._module.train()
        while self._step < options.steps and not any_of(stop.asked, self._device, self._peers):
            losses, norm = self._one_step(batches)
            self._step += 1
            if score is not None and self._is_due(options.score_every) and self._peers.leads:
                with averaged_weights_in(self._module, self._averaged):
                    self._score, self._scored_at = score(), self._step
            if self._is_due(options.log_every) and self._peers.leads:
                rate = (self._step - first) / (time.monotonic() - started)
                progress = self._progress(losses, norm, rate)
                append_to_log(self._folder, progress)
                self._told = True
                on_progress(progress)
            if self._step % options.checkpoint_every == 0:
                self._save()
        self._save()
        # Who goes on at once must find this checkpoint, and not one before it.
        steps_of_all(self._step, self._device, self._peers)
        finished = self._step >= options.steps
        return Outcome(Ending.FINISHED if finished else Ending.STOPPED, self._step)

    def _is_due(self, every: int) -> bool:
        """After every so many steps and after the last one; never, if 0."""
        last = self._step == self._options.steps
        return every > 0 and (self._step % every == 0 or last)

    def _one_step(self, batches: Iterator[Batch]) -> tuple[dict[str, float], float]:
        # Drawn anew every step: a run that goes on draws what an uninterrupted one does.
        torch.manual_seed(hash((self._options.seed, self._step, self._peers.rank)))
        rate = learning_rate_at(self._step, self._options)
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none=True)
            for group in optimiser.param_groups:
                group["lr"] = rate * group.get(SHARE, 1.0)
        losses = self._backward(batches)
        average_gradients(self._module, self._peers)
        norm = float(nn.utils.clip_grad_norm_(self._module.parameters(), self._options.clip_norm))
        if not math.isfinite(norm + sum(losses.values())):
            self._give_up(sum(losses.values()), norm)
        for optimiser in self._optimisers:
            optimiser.step()
        self._averaged.update(self._module, self._step)
        return losses, norm

    def _backward(self, batches: Iterator[Batch]) -> dict[str, float]:
        """Add up the gradients of one step; give the parts of its loss."""
        accumulate = self._options.accumulate
        summed: dict[str, float] = {}
        for _ in range(accumulate):
            with self._precision():
                losses = self._trainable.losses(next(batches))
            total = torch.stack(list(losses.values())).sum() / accumulate
            total.backward()  # type: ignore[no-untyped-call]
            for name, value in losses.items():
                summed[name] = summed.get(name, 0.0) + float(value.detach()) / accumulate
        averaged = average_numbers(summed, self._device, self._peers)
        return dict(zip(summed, averaged.tolist(), strict=True))

    def _batches(self) -> Iterator[Batch]:
        first = self._numbers_of_step(self._step).start + self._peers.rank
        end = self._numbers_of_step(self._options.steps).start
        return iter(
            DataLoader(
                _Numbered(self._source),
                sampler=range(first, end, self._peers.count),
                batch_size=None,
                num_workers=self._options.workers,
                # A fork of a process whose torch threads are running can hang.
                multiprocessing_context="spawn" if self._options.workers else None,
                worker_init_fn=ignore_interrupts,
            )
        )

    def _numbers_of_step(self, step: int) -> range:
        """The batches of one step, of all processes."""
        count = self._options.accumulate * self._peers.count
        return range(step * count, (step + 1) * count)

    def _precision(self) -> torch.autocast:
        return torch.autocast(
            self._device.type, dtype=torch.bfloat16, enabled=self._options.precision == "bf16"
        )

    def _progress(self, losses: dict[str, float], norm: float, rate: float) -> Progress:
        return Progress(
            step=self._step,
            steps=self._options.steps,
            loss=sum(losses.values()),
            losses=losses,
            learning_rate=learning_rate_at(self._step - 1, self._options),
            gradient_norm=norm,
            rate=rate,
            remaining=(self._options.steps - self._step) / rate,
            score=self._score,
            scored_at=self._scored_at,
        )

    def _save(self) -> None:
        if not self._peers.leads:
            return
        save_checkpoint(
            self._folder,
            Checkpoint(
                step=self._step,
                module=self._module.state_dict(),
                averaged=self._averaged.state(),
                optimisers=tuple(optimiser.state_dict() for optimiser in self._optimisers),
                settings=_settings(self._options),
            ),
        )
        if self._told:
            draw_curves(self._folder)

    def _give_up(self, loss: float, norm: float) -> None:
        numbers = self._numbers_of_step(self._step)
        path = self._folder / FAILED_BATCHES_FILE
        if self._peers.leads:
            seeds = {number: self._source.seeds(number) for number in numbers}
            path.write_text(json.dumps({"step": self._step, "seeds_of_batches": seeds}))
        raise RunError(
            f"training stopped at step {self._step}: the loss is {loss}, the gradient norm {norm}; "
            f"the seeds of its batches are in {path}; lower the learning rate, or use "
            "precision = 'fp32', in a new run folder"
        )


class _Numbered(Dataset[Batch]):
    """The source as torch's loader wants it."""

    def __init__(self, source: BatchSource[Batch]) -> None:
        self._source = source

    def __getitem__(self, number: int) -> Batch:
        return self._source.batch(number)


def _settings(options: LoopOptions) -> str:
    """What has to stay the same when a run goes on; its length and its reporting may change."""
    fixed = replace(options, steps=1, workers=0, log_every=1, checkpoint_every=1, score_every=0)
    # Checkpoints from before these options can still go on: at their defaults they are not told.
    return digest_text(fixed).replace(", score_every=0", "").replace(", tower_share=0.01", "")
