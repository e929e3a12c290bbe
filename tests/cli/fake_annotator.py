"""An annotator whose answers are known: a pixel is red or green where its colour is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.annotation import Annotation, Outcome
from ovseg_annotate.cli.annotate import Opened, Request, RunOptions, annotate_pictures
from ovseg_annotate.cli.annotate_report import Report
from ovseg_annotate.cli.exporting import chosen_formats
from ovseg_annotate.cli.sessions import SessionOptions
from ovseg_annotate.cli.stops import StopSignals
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.errors import Cancelled, OvsegError
from ovseg_annotate.image import Image, ReadingOptions, read_image
from ovseg_annotate.label_map import LabelMap
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.regions import RegionOptions
from ovseg_annotate.run_folder import pictures_in
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("red; green; -blue")


def annotation_of(image: Image, words: Vocabulary = WORDS) -> Annotation:
    labels = np.zeros(image.pixels.shape[:2], np.uint8)
    for number, name in enumerate(words.names):
        if name in ("red", "green"):
            labels[image.pixels[..., ("red", "green").index(name)] > 127] = number + 1
    sure = np.where(labels > 0, 0.75, 0.25).astype(np.float16)
    provenance = Provenance("fake@none", "0" * 64, str(words), "", "", "float32", "0")
    return Annotation(image.key, LabelMap(labels, sure, sure, words), provenance, ("a warning",))


def outcome_of(path: Path, words: Vocabulary = WORDS) -> Outcome:
    try:
        return Outcome(path, annotation_of(read_image(path), words), None)
    except OvsegError as error:
        return Outcome(path, None, error)


class FakeOpener:
    """Stands for loading a model; remembers which pictures were annotated."""

    def __init__(self, before: Callable[[Path], None] = lambda path: None) -> None:
        self.annotated: list[str] = []
        self._before = before

    def __call__(self, request: Request, stop: Callable[[], bool]) -> Opened:
        def annotate(paths: Iterable[Path]) -> Iterator[Outcome]:
            for path in paths:
                self._before(path)
                if stop():
                    raise Cancelled("stopped on request")
                self.annotated.append(path.name)
                yield outcome_of(path, request.vocabulary)

        return Opened("0" * 64, annotate)


def request(pictures: Path, out: Path, prompts: str = str(WORDS), **run: object) -> Request:
    return Request(
        pictures=pictures_in([pictures], leave_out=out),
        vocabulary=Vocabulary.parse(prompts),
        run=RunOptions(prompts=prompts, out=out, **run),  # type: ignore[arg-type]
        session=SessionOptions(),
        annotate=AnnotateOptions(),
        regions=RegionOptions(),
        reading=ReadingOptions(),
        formats=chosen_formats(run.get("formats", ())),  # type: ignore[call-overload]
    )


def main(pictures: str, out: str) -> int:
    """A run that waits for a line on stdin before each picture: the test says when."""

    def wait(path: Path) -> None:
        sys.stdout.write(json.dumps({"next": path.name}) + "\n")
        sys.stdout.flush()
        sys.stdin.readline()

    opener = FakeOpener(before=wait)
    with StopSignals() as stops:
        report = Report(Talk(), json=True)
        return annotate_pictures(request(Path(pictures), Path(out)), opener, stops, report)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
