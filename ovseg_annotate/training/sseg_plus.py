"""S-Seg+: a student learns the labels that S-Seg gives to pictures of the target domain.

Corrections of people count as certain and stand over the teacher's labels. The words stay those of
the teacher, so that the student can be asked for other concepts than it was trained with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from ovseg_annotate.backbones.checkpoints import fill, read_state
from ovseg_annotate.backbones.mask_pyramids import PyramidParts
from ovseg_annotate.backbones.system_folder import find_system
from ovseg_annotate.engines.request import EngineRequest
from ovseg_annotate.engines.sseg import SsegEngine, open_sseg, parts_of
from ovseg_annotate.errors import OptionError
from ovseg_annotate.label_map import UNLABELLED
from ovseg_annotate.masks.concepts import concept_shares
from ovseg_annotate.masks.network import MaskNetwork, MaskParts, build_mask_network, tower_pyramid
from ovseg_annotate.scores import fold
from ovseg_annotate.training.distributed import Peers
from ovseg_annotate.training.loop import ALONE, Outcome, train
from ovseg_annotate.training.options import LoopOptions
from ovseg_annotate.training.progress import Progress
from ovseg_annotate.training.sseg import clip_under, export_network, pixel_statistics
from ovseg_annotate.training.sseg_targets import LabelledBatch, TargetBatches, TargetPictures
from ovseg_annotate.vocabulary import Vocabulary

_CPU = torch.device("cpu")
_AT_ONCE = 32  # pictures through the teacher
_LEAST = 1e-6  # share of a concept, so that its logarithm stays finite


@dataclass(frozen=True, slots=True)
class Teacher:
    """Who labels the pictures that nobody corrected."""

    vocabulary: str  # the concepts to learn, as one types them
    weights: str = "mini"  # of sseg: a bundled name, or an exported folder
    weight: float = 1.0  # of its labels in the loss; those of people have 1
    confidence: float = 0.4  # labels below this are not learnt from

    def __post_init__(self) -> None:
        for name in ("weight", "confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name}: got {getattr(self, name):g}; allowed: 0 to 1")


@dataclass(frozen=True, slots=True)
class SsegPlusRecipe:
    """A table of the file each; a table left out has its defaults."""

    teacher: Teacher
    system: str = "sseg-plus"
    start: Literal["teacher", "fresh"] = "teacher"  # first numbers of the student's masks
    pyramid: PyramidParts | None = None  # of a fresh student; None: the teacher's
    threshold: float | None = None  # of the exported card; None: the engine's own
    pictures: TargetPictures = field(default_factory=TargetPictures)
    loop: LoopOptions = field(default_factory=LoopOptions)

    def __post_init__(self) -> None:
        if self.start == "teacher" and self.pyramid is not None:
            raise OptionError(
                "a student that starts from its teacher has the teacher's pyramid; write start = "
                "'fresh' to give it another one"
            )

    def train(
        self,
        run_folder: Path,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        device: torch.device = _CPU,
        peers: Peers = ALONE,
    ) -> Outcome:
        """Label the pictures, then train, or go on where the run folder left off."""
        training = SsegPlusTraining(self, device)
        source = TargetBatches(
            self.pictures,
            training.vocabulary,
            training.taught,
            self.teacher.weight,
            self.loop.seed,
        )
        return train(training, source, self.loop, run_folder, on_progress, peers)

    def export(self, run_folder: Path, folder: Path) -> None:
        """Write the averaged weights of the last checkpoint as sseg@FOLDER."""
        export_network(run_folder, folder, self.student_parts(), self.threshold)

    def student_parts(self) -> MaskParts:
        parts = parts_of(find_system("sseg", self.teacher.weights))
        return parts if self.pyramid is None else replace(parts, pyramid=self.pyramid)


class SsegPlusTraining:
    """The Trainable: every pixel's label against what masks and words give it together."""

    def __init__(self, recipe: SsegPlusRecipe, device: torch.device) -> None:
        self._recipe = recipe
        self.vocabulary = Vocabulary.parse(recipe.teacher.vocabulary)
        self._teacher = _opened(recipe.teacher.weights, device)
        parts = recipe.student_parts()
        clip = clip_under(parts, device)
        self._network = build_mask_network(parts, clip, recipe.loop.seed)
        _start_from_teacher(self._network, recipe)
        self._network.text.requires_grad_(requires_grad=False)
        self._network.to(device)
        mean, std = pixel_statistics(clip)
        self._mean = torch.tensor(mean, device=device).view(3, 1, 1)
        self._std = torch.tensor(std, device=device).view(3, 1, 1)
        self._phrases = self._teacher.encode_text(self.vocabulary).embeddings.to(device)

    @property
    def module(self) -> torch.nn.Module:
        return self._network

    @property
    def network(self) -> MaskNetwork:
        return self._network

    def normalised(self, pictures: Tensor) -> Tensor:
        """uint8 pictures as the student wants them."""
        return (pictures.to(self._mean.device) / 255.0 - self._mean) / self._std

    def losses(self, batch: LabelledBatch) -> Mapping[str, Tensor]:
        device = self._mean.device
        cells = None if batch.cells is None else batch.cells.to(device)
        seen = self._network.see(self.normalised(batch.pictures), cells)
        with torch.autocast(device.type, enabled=False):
            shares = self._shares(seen.vectors.float())
            values = concept_shares(shares, seen.masks[-1].float().sigmoid(), "marginal")
            labels, weights = batch.labels.to(device), batch.weights.to(device)
            return {"labels": label_loss(values, labels, weights)}

    @torch.no_grad()
    def taught(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """The teacher's labels (pictures, height, width), and cells for the student's pyramid."""
        pyramid = tower_pyramid(self._network)
        labels, cells = [], []
        with torch.autocast(self._mean.device.type, enabled=False):
            for part in torch.split(pictures, _AT_ONCE):
                labels.append(self._labelled(part).cpu())
                if pyramid is not None:
                    cells.append(pyramid.cells(self.normalised(part)).half().cpu())
        return torch.cat(labels), torch.cat(cells) if cells else None

    def _labelled(self, pictures: Tensor) -> Tensor:
        card, device = self._teacher.card, self._mean.device
        mean, std = (
            torch.tensor(values, device=device).view(3, 1, 1) for values in (card.mean, card.std)
        )
        pixels = (pictures.to(device) / 255.0 - mean) / std
        bank = self._teacher.encode_text(self.vocabulary)
        scores = self._teacher.score(self._teacher.encode_image(pixels), bank)
        fine = functional.interpolate(scores.values, pictures.shape[2:], mode="bilinear")
        confidence, concept = fine.max(dim=1)
        sure = confidence >= self._recipe.teacher.confidence
        return torch.where(sure, concept + 1, UNLABELLED)

    def _shares(self, vectors: Tensor) -> Tensor:
        unit = functional.normalize(vectors, dim=-1)
        logits = self._network.scale * torch.einsum("pd,wqd->pwq", self._phrases, unit)
        owners, concepts = self.vocabulary.phrase_owners, len(self.vocabulary)
        return fold(logits, owners, concepts, "max").permute(1, 2, 0)


def label_loss(values: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over labelled pixels of minus the logarithm of the true concept's share.

    `values` (pictures, concepts, rows, columns) of any grid, `labels` and `weights` (pictures,
    height, width), concept number + 1.
    """
    fine = functional.interpolate(values, labels.shape[1:], mode="bilinear")
    own = fine.gather(1, (labels - 1).clamp(min=0)[:, None])[:, 0]
    counted = weights * (labels != UNLABELLED)
    return -(own.clamp(min=_LEAST).log() * counted).sum() / counted.sum().clamp(min=_LEAST)


def _opened(weights: str, device: torch.device) -> SsegEngine:
    engine = open_sseg(EngineRequest("sseg", weights, {}, None, offline=True, progress=None))
    engine.to(device, torch.float32)
    return engine


def _start_from_teacher(network: MaskNetwork, recipe: SsegPlusRecipe) -> None:
    """All of the teacher, or its words and the place where masks meet them."""
    file = find_system("sseg", recipe.teacher.weights).weights
    state = {name: value.float() for name, value in read_state(file).items()}
    if recipe.start == "teacher":
        fill(network, state, file)
        return
    words = {
        name.removeprefix("text."): value
        for name, value in state.items()
        if name.startswith("text.")
    }
    fill(network.text, words, file)
    with torch.no_grad():
        network.logit_scale.copy_(state["logit_scale"])
