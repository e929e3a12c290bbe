"""The one place where words, pictures and an engine meet."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from ovseg_annotate._version import __version__
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.annotation import Annotation, Outcome
from ovseg_annotate.card import EngineCard
from ovseg_annotate.catalog import DEFAULT_MODEL, open_engine
from ovseg_annotate.decoding import CoarseScores, label_map_of
from ovseg_annotate.devices import Placement, placement
from ovseg_annotate.engine import Engine
from ovseg_annotate.errors import Cancelled, OvsegError
from ovseg_annotate.feature_store import FeatureStore
from ovseg_annotate.geometry import Size
from ovseg_annotate.image import Image, ReadingOptions, read_image
from ovseg_annotate.label_map import UNLABELLED, LabelMap
from ovseg_annotate.lessons.lesson import Lesson
from ovseg_annotate.lessons.model_names import digest_with, split_model
from ovseg_annotate.lessons.version import read_version
from ovseg_annotate.options import digest_text
from ovseg_annotate.pointing.cells import CellEvidence
from ovseg_annotate.pointing.examples import VisualExamples, examples_from
from ovseg_annotate.pointing.leanings import number_of
from ovseg_annotate.pointing.marks import Mark, check_marks, surroundings
from ovseg_annotate.pointing.picking import Picked, PickOptions, Sight, picked, picked_in_box
from ovseg_annotate.pointing.requests import Request
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.refine.kept_weights import WeightStore
from ovseg_annotate.refine.region_votes import mode_vote
from ovseg_annotate.refine.superpixels import superpixels
from ovseg_annotate.scoring import Scorer
from ovseg_annotate.text.bank import TextBank
from ovseg_annotate.tiling import WindowPlan
from ovseg_annotate.tuned_scorers import TunedScorers
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.watch import Watch
from ovseg_annotate.word_book import WordBook, Words

if TYPE_CHECKING:
    from ovseg_annotate.backbones.weights import DownloadProgress

_AHEAD = 2  # pictures in work beyond the one the caller holds


def open_session(  # noqa: PLR0913  the front door: all but the first by name
    model: str = DEFAULT_MODEL,
    *,
    device: str = "auto",
    precision: str = "auto",
    cache: FeatureStore | None = None,
    engine_options: Mapping[str, object] | None = None,
    offline: bool = False,
    progress: Callable[[DownloadProgress], None] | None = None,
) -> Session:
    """Load `ENGINE@WEIGHTS` once; without `cache`, nothing is kept beyond memory.

    A version that was learnt from corrections is a file behind a plus: `ENGINE@WEIGHTS+FILE`.
    `progress` hears of downloads before and while they run; `offline` forbids them.
    """
    model, file = split_model(model)
    version = None if file is None else read_version(file)
    store = FeatureStore() if cache is None else cache
    texts = None if store.folder is None else store.folder / "text"
    engine = open_engine(
        model, engine_options or {}, cache=texts, offline=offline, progress=progress
    )
    where = placement(device, precision, half_precision=engine.card.half_precision)
    session = Session(engine, where, store, model=model)
    return session if version is None else session.taught(version.lesson)


class Session:
    """Annotates pictures with one engine; safe to share between threads.

    A picture is encoded once: other words, thresholds and refinements run on kept features.
    """

    def __init__(
        self, engine: Engine, where: Placement, store: FeatureStore, *, model: str = ""
    ) -> None:
        self.placement = where
        self.store = store
        self.lesson: Lesson | None = None
        self.base_model = model or engine.card.name
        self._scorer = Scorer(engine, where, store)
        self._scorers = TunedScorers(self._scorer)
        self._weights = WeightStore()
        self._words = WordBook()
        engine.to(where.device, where.dtype)

    @property
    def model(self) -> str:
        """The model as a person named it, and which version of it this is."""
        version = "" if self.lesson is None else f"+{self.lesson.digest[:16]}"
        return self.base_model + version

    @property
    def engine(self) -> Engine:
        return self._scorer.engine

    @property
    def card(self) -> EngineCard:
        return self.engine.card

    @property
    def precision(self) -> str:
        return self.placement.precision

    @property
    def weights_digest(self) -> str:
        """Names all numbers that answers come from: the engine's weights and the lesson."""
        base = self.card.weights_digest
        return base if self.lesson is None else digest_with(base, self.lesson.digest)

    def taught(self, lesson: Lesson | None) -> Session:
        """A session with this lesson, or with none; it shares engine, kept features and words."""
        if lesson is not None:
            lesson.check_engine(self.card)
        other = copy(self)
        other.lesson = lesson
        other._scorer = self._scorers.of(None if lesson is None else lesson.head)
        return other

    def annotate(
        self,
        image: Image,
        vocabulary: Vocabulary,
        options: AnnotateOptions | None = None,
        watch: Watch | None = None,
        examples: VisualExamples | None = None,
    ) -> Annotation:
        """Suggest a label for every pixel of a picture, from words and what was pointed at."""
        options, watch = options or AnnotateOptions(), watch or Watch()
        self._scorer.check(image.size, vocabulary, options)
        words = self._taught_words(vocabulary, options.contrast, examples)
        scores = self._scorer.scores(image, words.bank, options, watch, words.shifts)
        return self._decided(image, scores, words, options, watch)

    def annotate_many(
        self,
        paths: Iterable[Path],
        vocabulary: Vocabulary,
        options: AnnotateOptions | None = None,
        reading: ReadingOptions | None = None,
        watch: Watch | None = None,
        examples: VisualExamples | None = None,
    ) -> Iterator[Outcome]:
        """Annotate picture after picture, in order; a bad one is an outcome, not the end.

        Reading, encoding and the caller's own work on each result overlap; `watch.progress` is
        called from the encoding thread, with the windows of one picture after the other.
        """
        options, watch = options or AnnotateOptions(), watch or Watch()
        words = self._taught_words(vocabulary, options.contrast, examples)
        abandoned = threading.Event()  # set when the caller stops asking
        stoppable = watch.also_stopped_by(abandoned.is_set)
        quiet = replace(stoppable, progress=None)

        def scored(read: Future[Image]) -> tuple[Image, CoarseScores]:
            image = read.result()
            self._scorer.check(image.size, vocabulary, options)
            scores = self._scorer.scores(image, words.bank, options, stoppable, words.shifts)
            return image, scores

        def outcome(path: Path, work: Future[tuple[Image, CoarseScores]]) -> Outcome:
            try:
                return Outcome(path, self._decided(*work.result(), words, options, quiet), None)
            except Cancelled:
                raise
            except OvsegError as error:
                return Outcome(path, None, error)

        reader = ThreadPoolExecutor(1, "ovseg-read")
        encoder = ThreadPoolExecutor(1, "ovseg-encode")
        pending: deque[tuple[Path, Future[tuple[Image, CoarseScores]]]] = deque()
        try:
            for path in paths:
                read = reader.submit(read_image, path, reading or ReadingOptions())
                pending.append((path, encoder.submit(scored, read)))
                if len(pending) > _AHEAD:
                    yield outcome(*pending.popleft())
            while pending:
                yield outcome(*pending.popleft())
        finally:
            abandoned.set()
            encoder.shutdown(cancel_futures=True)
            reader.shutdown(cancel_futures=True)

    def examples(
        self,
        image: Image,
        marks: Sequence[Mark],
        options: AnnotateOptions | None = None,
        watch: Watch | None = None,
    ) -> VisualExamples:
        """Learn from marks what their concepts look like, for this picture and for others.

        Pass the options of `annotate`, so that its kept features serve here too.
        """
        check_marks(marks, image.size)
        around = surroundings(marks, image.size)
        vectors = self._scorer.cell_vectors(
            image, options or AnnotateOptions(), around, watch or Watch()
        )
        return examples_from(vectors, marks, self.card.space)

    def pick(
        self,
        image: Image,
        marks: Sequence[Mark],
        options: PickOptions | None = None,
        vocabulary: Vocabulary | None = None,
        watch: Watch | None = None,
    ) -> Picked:
        """Find the one object that the marks mean; the words of its concept help to tell it."""
        request = Request.of(marks, image.size)
        if request.box is not None:
            return picked_in_box(image.pixels, request, request.box)
        options = options or PickOptions()
        features = AnnotateOptions(scale=options.scale, overlap=options.overlap)
        vectors = self._scorer.cell_vectors(image, features, request.reach, watch or Watch())
        likely = None
        if vocabulary is not None:
            number = number_of(request.concept, vocabulary)
            words = self._taught_words(vocabulary, options.contrast, None)
            scores = self._scorer.score_vectors(vectors.flat, words.bank, words.shifts)
            likely = vectors.with_values(scores.values[0, number, 0].cpu().numpy())
        return picked(Sight(image.pixels, vectors, likely), request)

    def picture_vector(
        self, image: Image, options: AnnotateOptions | None = None, watch: Watch | None = None
    ) -> NDArray[np.float32]:
        """(width,): how a picture looks to the engine, whatever the words; from kept features.

        Pass the options of `annotate`, so that its kept features serve here too.
        """
        return self._scorer.mean_vector(image, options or AnnotateOptions(), watch or Watch())

    def evidence(
        self,
        image: Image,
        vocabulary: Vocabulary,
        options: AnnotateOptions,
        box: tuple[float, float, float, float],
        watch: Watch | None = None,
    ) -> CellEvidence:
        """What the words alone say of the cells in a part of a picture, and how the cells look.

        The part is (left, top, right, bottom) in px; learning from corrections stands on this.
        """
        bank = self._words.read(self._scorer, vocabulary, options.contrast).bank
        return self._scorer.evidence(image, bank, options, box, watch or Watch())

    def plan(self, size: Size, options: AnnotateOptions) -> WindowPlan:
        """The windows that a picture of that size is looked at in, at the finest scale."""
        return self._scorer.plan(size, options)

    def window_features(
        self,
        image: Image,
        options: AnnotateOptions,
        numbers: Sequence[int],
        watch: Watch | None = None,
    ) -> object:
        """What the engine keeps of some windows of the plan; knows no words and no lesson."""
        return self._scorer.window_features(image, options, numbers, watch or Watch())

    def text_bank(self, vocabulary: Vocabulary, contrast: str = "none") -> TextBank:
        """The vectors of all phrases, with those that compete."""
        return self._words.read(self._scorer, vocabulary, contrast).bank

    def close(self) -> None:
        """Give the device's memory back; the session cannot be used afterwards."""
        self._words.clear()
        self._weights = WeightStore()
        self.engine.to(torch.device("cpu"), torch.float32)
        if self.placement.device.type == "cuda":
            torch.cuda.empty_cache()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _taught_words(
        self, vocabulary: Vocabulary, contrast: str, examples: VisualExamples | None
    ) -> Words:
        return self._words.taught(self._scorer, vocabulary, contrast, self.lesson, examples)

    def _decided(
        self,
        image: Image,
        scores: CoarseScores,
        words: Words,
        options: AnnotateOptions,
        watch: Watch,
    ) -> Annotation:
        card = self.card
        threshold = card.threshold if options.threshold is None else options.threshold
        on_cpu = scores.values.device.type == "cpu"  # elsewhere, refinement takes no time
        with torch.inference_mode():
            label_map = label_map_of(
                scores,
                image.pixels,
                threshold,
                options.refine,
                lambda done, total: watch.step("pixels", done, total),
                self._weights.of(image.key) if on_cpu else None,
            )
        if options.superpixels:
            label_map = mode_vote(label_map, superpixels(image.pixels, options.superpixels))
        if image.valid is not None:
            _forget_invalid(label_map, image.valid)
        taught = f" examples={words.examples}" if words.examples else ""
        worded = f" {words.bank.wording}" if words.bank.wording else ""
        settled = options.settled(card.threshold, card.overlap)
        provenance = Provenance(
            model=self.model,
            weights_digest=self.weights_digest,
            vocabulary=str(scores.vocabulary),
            options=f"{digest_text(settled)} {card.options}{worded}{taught}",
            image=image.reading,
            precision=self.placement.precision,
            version=__version__,
        )
        return Annotation(image.key, label_map, provenance, self._warnings(words))

    def _warnings(self, words: Words) -> tuple[str, ...]:
        warnings = list(words.advice)
        if self._scorer.batch_was_halved:
            warnings.append("the device ran out of memory; smaller batches of windows were used")
        if self.store.problem is not None:
            warnings.append(self.store.problem)
        return tuple(warnings)


def _forget_invalid(label_map: LabelMap, valid: NDArray[np.bool_]) -> None:
    """Pixels without a number in the source carry no label."""
    label_map.labels[~valid] = UNLABELLED
    label_map.confidence[~valid] = 0
    label_map.margin[~valid] = 0
