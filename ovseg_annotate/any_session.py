"""What a session is to those who use one: `session.Session` here, `RemoteSession` on a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from ovseg_annotate.annotate_options import AnnotateOptions
    from ovseg_annotate.annotation import Annotation, Outcome
    from ovseg_annotate.card import EngineCard
    from ovseg_annotate.image import Image, ReadingOptions
    from ovseg_annotate.lessons.lesson import Lesson
    from ovseg_annotate.pointing.cells import CellEvidence
    from ovseg_annotate.pointing.examples import VisualExamples
    from ovseg_annotate.pointing.marks import Mark
    from ovseg_annotate.pointing.picking import Picked, PickOptions
    from ovseg_annotate.text.bank import TextBank
    from ovseg_annotate.vocabulary import Vocabulary
    from ovseg_annotate.watch import Watch


class AnySession(Protocol):
    """Annotates pictures with one model; safe to share between threads."""

    @property
    def model(self) -> str: ...

    @property
    def base_model(self) -> str: ...

    @property
    def card(self) -> EngineCard: ...

    @property
    def precision(self) -> str: ...

    @property
    def weights_digest(self) -> str: ...

    def taught(self, lesson: Lesson | None) -> Self: ...

    def annotate(
        self,
        image: Image,
        vocabulary: Vocabulary,
        options: AnnotateOptions | None = None,
        watch: Watch | None = None,
        examples: VisualExamples | None = None,
    ) -> Annotation: ...

    def annotate_many(
        self,
        paths: Iterable[Path],
        vocabulary: Vocabulary,
        options: AnnotateOptions | None = None,
        reading: ReadingOptions | None = None,
        watch: Watch | None = None,
        examples: VisualExamples | None = None,
    ) -> Iterator[Outcome]: ...

    def examples(
        self,
        image: Image,
        marks: Sequence[Mark],
        options: AnnotateOptions | None = None,
        watch: Watch | None = None,
    ) -> VisualExamples: ...

    def pick(
        self,
        image: Image,
        marks: Sequence[Mark],
        options: PickOptions | None = None,
        vocabulary: Vocabulary | None = None,
        watch: Watch | None = None,
    ) -> Picked: ...

    def picture_vector(
        self, image: Image, options: AnnotateOptions | None = None, watch: Watch | None = None
    ) -> NDArray[np.float32]: ...

    def evidence(
        self,
        image: Image,
        vocabulary: Vocabulary,
        options: AnnotateOptions,
        box: tuple[float, float, float, float],
        watch: Watch | None = None,
    ) -> CellEvidence: ...

    def text_bank(self, vocabulary: Vocabulary, contrast: str = "none") -> TextBank: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
