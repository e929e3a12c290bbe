"""What an evaluation found: for a person as a table, for a program as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from ovseg_annotate.evaluation.scores import Scores


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which everything was measured: enough to measure it again."""

    model: str  # ENGINE@WEIGHTS
    weights: str  # sha256
    licence: str  # of the weights
    command: str
    seed: int
    threshold: float  # minimum confidence that was applied
    contrast: str  # what competed beside the words that were asked for
    options: str  # all options of annotating, one line
    precision: str
    boundary_distance: float  # px
    version: str  # of ovseg-annotate

    @property
    def sentences(self) -> tuple[str, ...]:
        """For the head of a page or a card."""
        return (
            f"Command: {self.command}",
            f"Model {self.model}, weights {self.weights[:16]}, {self.precision}, "
            f"ovseg-annotate {self.version}.",
            f"Pixels below a confidence of {self.threshold:g} stay unlabelled and count as "
            f"misses; so do those that contrast phrases win (contrast: {self.contrast}).",
            f"Words are shuffled (seed {self.seed}); borders count as found within "
            f"{self.boundary_distance:g} px; options: {self.options}",
        )


@dataclass(frozen=True, slots=True)
class SetResult:
    """One set of pictures."""

    name: str
    scores: Scores
    baseline: Scores | None  # of the nearest colour; None where no concept has a colour
    protocol: str | None = None  # the published rules of the set, as one sentence


@dataclass(frozen=True, slots=True)
class Evaluation:
    conditions: Conditions
    sets: tuple[SetResult, ...]

    def as_plain(self) -> dict[str, object]:
        """For JSON; what is not a number (nothing was counted) becomes null."""
        return {key: _without_nan(value) for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Column:
    """A number of the table, and what it means."""

    title: str
    meaning: str


COLUMNS = (
    Column("pictures", "how many were annotated"),
    Column("mIoU", "mean over the concepts of the set, pixels of all pictures summed first"),
    Column("with absent", "the same, counting 0 for concepts that were only ever suggested"),
    Column("things", "mean IoU of the things of a picture, its grounds left out, over pictures"),
    Column("pixels right", "share of the pixels that have a true label"),
    Column("borders", "mean F of the borders"),
    Column("absent area", "share of pixels given to words for what is not in the picture"),
    Column("unlabelled", "share of pixels"),
    Column("ECE", "how far confidence is from being right, on average"),
    Column("AP", "how well single things are found: mean average precision over IoU 0.5 to 0.95"),
    Column("AP50", "the same at an IoU of 0.5"),
    Column("colour rule", "mIoU of taking the word whose colour is nearest"),
)


def table_rows(sets: tuple[SetResult, ...]) -> tuple[tuple[str, ...], ...]:
    """The set's name and one text for each of COLUMNS."""
    return tuple(
        (
            each.name,
            str(each.scores.pictures),
            *map(
                shown,
                (
                    each.scores.mean_iou,
                    each.scores.mean_iou_with_absent,
                    each.scores.foreground_iou,
                    each.scores.pixel_accuracy,
                    each.scores.boundary,
                    each.scores.absent_area,
                    each.scores.unlabelled,
                    each.scores.calibration_error,
                    each.scores.instances.mean,
                    each.scores.instances.at_50,
                    math.nan if each.baseline is None else each.baseline.mean_iou,
                ),
            ),
        )
        for each in sets
    )


def shown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
