"""Pictures in, records out: the loop of a run, whatever it is that annotates."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ovseg_annotate.annotation import Outcome
from ovseg_annotate.errors import OvsegError
from ovseg_annotate.regions import AnnotatedImage, RegionOptions
from ovseg_annotate.run_folder.folder import CorrectedMeanwhileError, RunFolder
from ovseg_annotate.run_folder.pictures import Fingerprint, Picture

# One outcome a path, in order; it may read ahead. `Session.annotate_many` with its words given.
Annotator: TypeAlias = Callable[[Iterable[Path]], Iterator[Outcome]]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What became of one picture: a record, or the reason why there is none."""

    picture: Picture
    image: AnnotatedImage | None
    warnings: tuple[str, ...] = ()
    error: OvsegError | None = None


def annotate_into(
    folder: RunFolder, pictures: Iterable[Picture], annotator: Annotator, regions: RegionOptions
) -> Iterator[Result]:
    """Annotate the pictures and save each record before its result is given out."""
    under_way: deque[tuple[Picture, Fingerprint | None]] = deque()

    def paths() -> Iterator[Path]:
        for picture in pictures:
            # Taken before the picture is read: a file that changes meanwhile is done again.
            under_way.append((picture, _fingerprint(picture.path)))
            yield picture.path

    for outcome in annotator(paths()):
        picture, fingerprint = under_way.popleft()
        if outcome.annotation is None or fingerprint is None:
            yield Result(picture, None, error=outcome.error or _vanished(picture))
            continue
        image = outcome.annotation.annotated_image(picture.name, regions)
        try:
            folder.save(picture, fingerprint, image)
        except CorrectedMeanwhileError as error:
            yield Result(picture, None, error=error)
        else:
            yield Result(picture, image, outcome.annotation.warnings)


def _fingerprint(path: Path) -> Fingerprint | None:
    try:
        return Fingerprint.of(path)
    except OSError:
        return None  # the reader will say what is wrong with it


def _vanished(picture: Picture) -> OvsegError:
    return OvsegError(f"{picture.path} changed while it was read; give the command again")
