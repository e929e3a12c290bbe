"""One picture through one engine: windows, features (kept), scores, one coarse map."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from ovseg_annotate.annotate_options import AnnotateOptions, WorkingScale, working_scales
from ovseg_annotate.decoding import CoarseScores
from ovseg_annotate.devices import Placement, run_in_batches
from ovseg_annotate.engine import (
    Engine,
    chosen_windows,
    joined,
    pointable,
    some_windows,
    tensors_of,
)
from ovseg_annotate.errors import MemoryLimitError, ModelError, OvsegError
from ovseg_annotate.feature_store import FeatureStore, key_of
from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.image import Image
from ovseg_annotate.lessons.phrase_weights import shared_phrases
from ovseg_annotate.lessons.taught import log_odds
from ovseg_annotate.lessons.weighed import phrases_apart
from ovseg_annotate.pointing.cells import CellEvidence, CellVectors, Grid, covered_cells
from ovseg_annotate.pointing.gathering import Gatherer
from ovseg_annotate.resampling import resampled
from ovseg_annotate.scores import ClassScores
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.tiling import Stitcher, WindowPlan, plan_windows, working_size
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch

_CHUNK = 32  # windows whose features are kept under one key
_WHOLE_PICTURE = 2**26  # px up to which a picture is resized once instead of window by window
_SCORE_LIMIT = 2 * 2**30  # bytes of coarse scores of one picture


class Shift(Protocol):
    """What a person taught, as a change of what the words say."""

    @property
    def needs_cells(self) -> bool:
        """Whether it depends on how cells look: only engines that can be pointed with tell."""

    def applied(self, scores: ClassScores, cells: Tensor | None) -> ClassScores: ...


class Scorer:
    """Turns pictures into coarse scores; features come from the store when it has them."""

    def __init__(self, engine: Engine, where: Placement, store: FeatureStore) -> None:
        self.device_lock = threading.Lock()  # one network pass at a time
        self.engine = engine
        self._where = where
        self._store = store
        self._batch = 8 if where.device.type == "cpu" else 64
        self.batch_was_halved = False

    def with_engine(self, engine: Engine) -> Scorer:
        """The same with an engine that gives the same features; one network pass at a time."""
        other = copy(self)
        other.engine = engine
        return other

    def scores(
        self,
        image: Image,
        bank: TextBank,
        options: AnnotateOptions,
        watch: Watch,
        shifts: Sequence[Shift] = (),
    ) -> CoarseScores:
        """The probabilities of every concept on the grid of the finest scale, shifts in turn."""
        plans = self._plans(image.size, options)
        done, total = 0, sum(len(plan.windows) for plan in plans)
        maps: list[Tensor] = []
        competing = True
        with torch.inference_mode():
            for plan in plans:
                stitcher = Stitcher(plan, len(bank.vocabulary), self._where.device)
                for start, scores in self._window_scores(image, plan, bank, watch, shifts):
                    stitcher.add(scores, start)
                    competing = scores.competing
                    done += len(scores.values)
                    watch.step("windows", done, total)
                maps.append(stitcher.result())
            values = _merged(maps, _weights(len(plans), options.overview))
        if not bool(torch.isfinite(values).all()):
            raise ModelError(
                "the engine gave scores that are not numbers; its weights may be damaged, or "
                f"{self._where.precision} too coarse for it: try precision float32"
            )
        return CoarseScores(values, competing, bank.vocabulary)

    def cell_vectors(
        self,
        image: Image,
        options: AnnotateOptions,
        box: tuple[float, float, float, float],
        watch: Watch,
    ) -> CellVectors:
        """The vectors of the cells that a rectangle (left, top, right, bottom) in px touches.

        They are those of the finest scale, from the same kept features as the scores.
        """
        engine = pointable(self.engine)
        plan = self._plans(image.size, options)[0]
        source = _WindowSource(image, plan)
        gatherer = Gatherer(plan, covered_cells(box, image.size, plan.grid))
        chunks: dict[int, list[int]] = {}
        for number in gatherer.windows:
            chunks.setdefault(number // _CHUNK, []).append(number)
        with torch.inference_mode():
            for chunk, numbers in chunks.items():
                first = chunk * _CHUNK
                span = range(first, min(first + _CHUNK, len(plan.windows)))
                features = self._features(image, plan, source, span, watch)
                vectors = engine.cell_vectors(features)
                for number in numbers:
                    gatherer.add(vectors[number - first], number)
            return gatherer.result(image.size)

    def plan(self, size: Size, options: AnnotateOptions) -> WindowPlan:
        """The windows of the finest scale over a picture of that size."""
        return self._plans(size, options)[0]

    def window_features(
        self, image: Image, options: AnnotateOptions, numbers: Sequence[int], watch: Watch
    ) -> object:
        """The features of some windows of the plan, in ascending order, on the CPU."""
        plan = self.plan(image.size, options)
        source = _WindowSource(image, plan)
        parts = []
        for start in range(0, len(plan.windows), _CHUNK):
            span = range(start, min(start + _CHUNK, len(plan.windows)))
            wanted = [number - start for number in sorted(numbers) if number in span]
            if wanted:
                features = self._features(image, plan, source, span, watch)
                parts.append(chosen_windows(features, wanted))
        return joined(parts)

    def mean_vector(
        self, image: Image, options: AnnotateOptions, watch: Watch
    ) -> NDArray[np.float32]:
        """(width,): the mean vector of the cells of all windows of the finest scale."""
        engine = pointable(self.engine)
        plan = self._plans(image.size, options)[0]
        source = _WindowSource(image, plan)
        total, count = torch.zeros(()), 0
        with torch.inference_mode():
            for start in range(0, len(plan.windows), _CHUNK):
                span = range(start, min(start + _CHUNK, len(plan.windows)))
                features = self._features(image, plan, source, span, watch)
                cells = engine.cell_vectors(features).float().flatten(0, 2)  # (cells, width)
                total = total.to(cells.device) + cells.sum(dim=0)
                count += len(cells)
        mean: NDArray[np.float32] = (total / count).cpu().numpy()
        return mean

    def score_vectors(
        self, vectors: NDArray[np.float32], bank: TextBank, shifts: Sequence[Shift] = ()
    ) -> ClassScores:
        """What the words say of cells with these vectors (n, width), shifts in turn."""
        engine = pointable(self.engine)
        cells = torch.from_numpy(vectors).to(self._where.device)
        with self.device_lock, torch.inference_mode():
            scores = engine.score_vectors(cells, bank)
            for shift in shifts:
                scores = shift.applied(scores, cells[None, None])
            return scores

    def evidence(
        self,
        image: Image,
        bank: TextBank,
        options: AnnotateOptions,
        box: tuple[float, float, float, float],
        watch: Watch,
    ) -> CellEvidence:
        """What the words say of the cells that a rectangle touches, and how these look."""
        if self.engine.card.pointable:
            vectors = self.cell_vectors(image, options, box, watch)
            return CellEvidence(
                vectors.flat,
                self._log_odds(vectors.flat, bank),
                vectors.grid,
                bank.vocabulary,
                self._phrases_apart(vectors.flat, bank),
            )
        scores = self.scores(image, bank, options, watch)
        whole = Size(*scores.values.shape[1:])
        part = covered_cells(box, image.size, whole)
        values = scores.values[None, :, part.slices[0], part.slices[1]]
        logits = log_odds(ClassScores(values, scores.competing, scores.vocabulary))
        flat = logits[0].flatten(1).T.cpu().numpy()
        return CellEvidence(None, flat, Grid(image.size, whole, part), scores.vocabulary)

    def _phrases_apart(
        self, vectors: NDArray[np.float32], bank: TextBank
    ) -> NDArray[np.float32] | None:
        """What each phrase says that means a concept together with others."""
        shared = shared_phrases(bank.vocabulary)
        if not shared or self.engine.card.folds is None:
            return None
        return self._log_odds(vectors, phrases_apart(bank, shared))

    def _log_odds(self, vectors: NDArray[np.float32], bank: TextBank) -> NDArray[np.float32]:
        """(n, concepts) of cells with these vectors."""
        logits: NDArray[np.float32] = (
            log_odds(self.score_vectors(vectors, bank))[0, :, 0].T.cpu().numpy()
        )
        return logits

    def check(self, size: Size, vocabulary: Vocabulary, options: AnnotateOptions) -> None:
        """Refuse what would not fit, before any work is done for it."""
        grid = self._plans(size, options)[0].grid
        needed = grid.area * len(vocabulary) * 4
        if needed > _SCORE_LIMIT:
            raise MemoryLimitError(
                f"{len(vocabulary)} concepts on a grid of {grid.width} x {grid.height} cells need "
                f"{needed / 2**30:.1f} GiB of scores, the limit is {_SCORE_LIMIT / 2**30:.0f}; "
                "name fewer concepts, or choose a smaller scale"
            )

    def _plans(self, size: Size, options: AnnotateOptions) -> list[WindowPlan]:
        """One plan a scale, the finest first; the view of the whole picture comes last."""
        card = self.engine.card
        own = WorkingScale(card.short_side, None if card.short_side else card.magnification)
        short_side = min(size.height, size.width)
        overlap = card.overlap if options.overlap is None else options.overlap
        factors = {(scale or own).factor_for(short_side) for scale in working_scales(options.scale)}
        plans = []
        for factor in sorted(factors, reverse=True):
            working = working_size(size, factor, card.window, card.multiple_of)
            plans.append(plan_windows(working, card.window, overlap, card.stride))
        if options.overview > 0:
            longest = max(size.height / card.window.height, size.width / card.window.width)
            working = working_size(size, 1 / longest, Size(1, 1), card.multiple_of)
            plans.append(plan_windows(working, working, 0.0, card.stride))
        return plans

    def _window_scores(
        self,
        image: Image,
        plan: WindowPlan,
        bank: TextBank,
        watch: Watch,
        shifts: Sequence[Shift],
    ) -> Iterator[tuple[int, ClassScores]]:
        """Scores batch by batch, each with the number of its first window."""
        source = _WindowSource(image, plan)
        needs_cells = any(shift.needs_cells for shift in shifts)
        for start in range(0, len(plan.windows), _CHUNK):
            stop = min(start + _CHUNK, len(plan.windows))
            features = self._features(image, plan, source, range(start, stop), watch)
            # Where vectors of cells are scored, as many as there are take little memory.
            batch = max(self._batch, _CHUNK) if self.engine.card.pointable else self._batch
            for first in range(0, stop - start, batch):
                part = some_windows(features, first, min(first + batch, stop - start))
                part = self._on_device(part)
                with self.device_lock:
                    scores = self.engine.score(part, bank)
                    cells = pointable(self.engine).cell_vectors(part) if needs_cells else None
                    for shift in shifts:
                        scores = shift.applied(scores, cells)
                yield start + first, scores

    def _features(
        self,
        image: Image,
        plan: WindowPlan,
        source: _WindowSource,
        numbers: range,
        watch: Watch,
    ) -> object:
        card = self.engine.card
        key = key_of(
            image.key,
            plan.digest_text,
            f"{numbers}",
            f"{card.name} {card.version} {card.feature_options}",
            card.weights_digest,
            self._where.precision,
        )
        kept = self._store.get(key)
        if kept is not None:
            return self.engine.features_kind(**kept)

        def encode(start: int, stop: int) -> object:
            watch.stop_if_asked(f"before window {numbers[start] + 1} of {len(plan.windows)}")
            pixels = source.pixels(plan.windows[numbers[start] : numbers[stop - 1] + 1])
            return self._encoded(pixels)

        try:
            parts, batch = run_in_batches(len(numbers), self._batch, encode)
        except OvsegError:
            raise
        except Exception as error:  # an engine is foreign code: say where it failed
            raise ModelError(
                f"engine {card.name!r} failed on windows {numbers.start + 1} to {numbers.stop} of "
                f"{len(plan.windows)}: {type(error).__name__}: {error}"
            ) from error
        self.batch_was_halved |= batch < self._batch
        self._batch = batch
        features = joined(parts)
        self._store.put(key, tensors_of(features))
        return features

    def _encoded(self, pixels: NDArray[np.uint8]) -> object:
        """(windows, height, width, 3) -> features on the CPU."""
        card, where = self.engine.card, self._where
        windows = torch.from_numpy(pixels).to(where.device, non_blocking=True)
        mean = torch.tensor(card.mean, device=where.device).view(1, 3, 1, 1)
        std = torch.tensor(card.std, device=where.device).view(1, 3, 1, 1)
        normalised = (windows.permute(0, 3, 1, 2).float() / 255.0 - mean) / std
        with self.device_lock:
            features = self.engine.encode_image(normalised.to(where.dtype))
        # In the order of a store: kernels round differently over tensors that lie otherwise, and a
        # picture whose features were kept would get another last bit.
        return self.engine.features_kind(
            **{name: tensor.cpu().contiguous() for name, tensor in tensors_of(features).items()}
        )

    def _on_device(self, features: object) -> object:
        if self._where.device.type == "cpu":
            return features
        return self.engine.features_kind(
            **{
                name: tensor.to(self._where.device, non_blocking=True)
                for name, tensor in tensors_of(features).items()
            }
        )


class _WindowSource:
    """Pixels of windows, at the working size."""

    def __init__(self, image: Image, plan: WindowPlan) -> None:
        self._image = image
        self._plan = plan
        self._whole: NDArray[np.uint8] | None = None

    def pixels(self, windows: tuple[Window, ...]) -> NDArray[np.uint8]:
        """(windows, height, width, 3)."""
        image, plan = self._image, self._plan
        if plan.working.area > _WHOLE_PICTURE and plan.working != image.size:
            parts = [
                resampled(image.pixels, plan.source_box(window, image.size), window.size)
                for window in windows
            ]
            return np.stack(parts)
        if self._whole is None:
            box = (0.0, 0.0, float(image.size.width), float(image.size.height))
            self._whole = resampled(image.pixels, box, plan.working)
        return np.stack([self._whole[window.slices] for window in windows])


def _weights(plans: int, overview: float) -> list[float]:
    """Equal shares for the scales; the view of the whole picture has its own."""
    if overview == 0:
        return [1.0 / plans] * plans
    return [(1.0 - overview) / (plans - 1)] * (plans - 1) + [overview]


def _merged(maps: list[Tensor], weights: list[float]) -> Tensor:
    """The weighted mean of maps of several scales, on the grid of the first."""
    total = maps[0] * weights[0] if len(maps) > 1 else maps[0]
    for values, weight in zip(maps[1:], weights[1:], strict=True):
        resized = interpolate(values[None], size=total.shape[1:], mode="bilinear")[0]
        total += resized * weight
    return total
