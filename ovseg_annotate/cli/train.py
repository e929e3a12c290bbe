"""`ovseg train`: a model from a recipe."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ovseg_annotate.cli.exits import Exit
from ovseg_annotate.cli.talk import Talk

if TYPE_CHECKING:
    from ovseg_annotate.training.progress import Progress

_SAY_EVERY = 20  # steps


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Where a training runs and what becomes of it."""

    out: Path | None = None  # checkpoints and log; runs/RECIPE if not given
    device: str = "auto"  # auto, cpu, cuda, mps
    nuclei: Path | None = None  # folder of real nuclei pictures that take part: images/, labels/
    data: Path | None = None  # folder of the public data that the recipe names
    export: Path | None = None  # at the end, write a folder for ENGINE@FOLDER


def train(
    recipe: Annotated[Path, typer.Argument(help="A TOML file, such as recipes/mini.toml.")],
    options: TrainOptions,
) -> None:
    """Train by a recipe; stopped at any moment, the same command goes on with the same numbers."""
    from ovseg_annotate.devices import device_of_process, placement  # noqa: PLC0415  imports torch
    from ovseg_annotate.training.distributed import peers_of_torchrun  # noqa: PLC0415
    from ovseg_annotate.training.loop import Ending  # noqa: PLC0415
    from ovseg_annotate.training.recipes import read_recipe  # noqa: PLC0415

    talk = Talk()
    changes: dict[str, dict[str, object]] = {}
    if options.nuclei is not None:
        changes["pictures"] = {"nuclei_folder": str(options.nuclei)}
    if options.data is not None:
        changes["data"] = {"folder": str(options.data)}
    wanted = read_recipe(recipe, changes)
    run_folder = options.out or Path("runs") / recipe.stem
    chosen = placement(options.device, "float32", half_precision=True).device
    device = device_of_process(chosen, os.environ)
    with peers_of_torchrun(device) as peers:
        outcome = wanted.train(run_folder, _teller(talk), device, peers)
    if outcome.ending is Ending.STOPPED:
        talk.say(f"stopped after step {outcome.step}; the same command goes on from there")
        raise typer.Exit(Exit.TERMINATED)
    if options.export is not None and peers.leads:
        wanted.export(run_folder, options.export)
        typer.echo(options.export)


def _teller(talk: Talk) -> Callable[[Progress], None]:
    def tell(progress: Progress) -> None:
        if progress.step % _SAY_EVERY == 0 or progress.step == progress.steps:
            talk.say(str(progress))

    return tell
