"""What a person's answer to a suggestion says, pixel by pixel.

certain   the person gave these pixels their concept: changed them, or drew, changed or accepted
          the region around them
rejected  a concept was suggested here and taken away: what else is here, nobody said
unseen    all the rest: nobody looked, so nothing may be learnt from it

A picture that is accepted was looked at as a whole: all its regions are certain, and so is it that
none of the concepts is where nothing is labelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.errors import FormatError, RunError
from ovseg_annotate.evaluation.effort import Comparison, Effort, compared, effort_of
from ovseg_annotate.formats import native
from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.geometry import Size
from ovseg_annotate.lessons.lesson import NOTHING
from ovseg_annotate.regions import AnnotatedImage, Mask, Region, mask_of
from ovseg_annotate.run_folder import PictureState, RunReader
from ovseg_annotate.run_folder.folder import SUGGESTIONS
from ovseg_annotate.run_folder.records import record_path, standing_of


@dataclass(frozen=True, slots=True, eq=False)
class Stated:
    """Pixels of which something is known about one concept."""

    concept: str  # or NOTHING
    mask: Mask  # within the picture, at least one pixel


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """What is known of one picture; certain areas do not overlap one another."""

    picture: str  # its name in the run
    size: Size
    version: str  # digest of the provenance of the suggestion it answers; "" without one
    accepted: bool  # the person is done with the picture
    certain: tuple[Stated, ...]
    rejected: tuple[Stated, ...]  # never where another concept is certain
    effort: Effort

    def unseen(self) -> NDArray[np.bool_]:
        """(height, width): the pixels from which nothing may be learnt."""
        unseen = np.ones((self.size.height, self.size.width), np.bool_)
        for stated in (*self.certain, *self.rejected):
            unseen[stated.mask.box.slices] &= ~stated.mask.array()
        return unseen


def correction_of(
    suggested: AnnotatedImage | None, left: AnnotatedImage, *, accepted: bool
) -> Correction:
    """Compare what was suggested with what a person left of it."""
    comparison = compared(suggested, left)
    before, after = comparison.before, comparison.after
    certain = (after != 0) & ((before != after) | _touched(comparison, left.size))
    if accepted:
        certain[...] = True
    rejected = np.where((before != 0) & (after == 0), before, 0)
    names = comparison.vocabulary.names
    provenance = None if suggested is None else suggested.provenance
    return Correction(
        picture=left.name,
        size=left.size,
        version="" if provenance is None else provenance.digest,
        accepted=accepted,
        certain=tuple(_stated(after, names, certain)),
        rejected=tuple(_stated(rejected, names, rejected != 0)),
        effort=effort_of(comparison),
    )


def corrections_in_run(reader: RunReader) -> Iterator[Correction]:
    """What people corrected and accepted in a run folder, in the order of names."""
    for record in reader.records():
        if record.corrected:
            name = record.image.name
            accepted = standing_of(record.path).state is PictureState.ACCEPTED
            yield correction_of(
                _kept_suggestion(reader.path, name), record.image, accepted=accepted
            )


def corrections_in_export(path: Path, written_in: str, reader: RunReader) -> Iterator[Correction]:
    """What people made, in another tool, of the suggestions of a run.

    A picture that an export holds as a person's is accepted: its tool has no word for a picture
    that is half done. One that still names the model as its author counts where it was changed,
    and no further. A picture without a suggestion in the run counts as drawn from nothing.
    """
    for image in format_named(written_in).read_answers(path):
        by_a_person = image.provenance is None
        suggested = suggestion_for(reader, image.name)
        correction = correction_of(suggested, image, accepted=by_a_person)
        if by_a_person or correction.effort != _untouched(correction.effort):
            yield correction


def suggestion_for(reader: RunReader, name: str) -> AnnotatedImage | None:
    """The suggestion that a run made for a picture, also when a person has answered since."""
    record = reader.record_of(name)
    if record is None or record.corrected:
        return _kept_suggestion(reader.path, name)
    return record.image


def _untouched(effort: Effort) -> Effort:
    """The effort of a picture with as many regions that nobody touched."""
    return Effort(regions_kept=effort.regions_kept)


def _kept_suggestion(run: Path, name: str) -> AnnotatedImage | None:
    path = record_path(run / SUGGESTIONS, name)
    if not path.is_file():
        return None
    try:
        return native.read_record(path).image
    except FormatError as error:
        raise RunError(
            f"{error}. It is the suggestion that the correction of {name} is compared with; "
            "delete it to count that picture as drawn from nothing"
        ) from error


def _touched(comparison: Comparison, size: Size) -> NDArray[np.bool_]:
    """Where a region stands that the person drew or changed."""
    touched = np.zeros((size.height, size.width), np.bool_)
    kept = comparison.kept
    for place, region in enumerate(comparison.left):
        if place not in kept:
            mask = mask_of(region, size)
            touched[mask.box.slices] |= mask.array()
    return touched


def _stated(
    labels: NDArray[np.unsignedinteger], names: tuple[str, ...], where: NDArray[np.bool_]
) -> Iterator[Stated]:
    """One area a label among those pixels, in the order of labels."""
    size = Size(*labels.shape)
    for label in np.unique(labels[where]).tolist():
        whole = Region("", (), Mask.of(where & (labels == label)))
        yield Stated(names[label - 1] if label else NOTHING, mask_of(whole, size))
