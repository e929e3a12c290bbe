"""What people answered in the tasks of a project, as corrections of what was suggested there.

Polygons, brushes and bitmasks count, in the controls that suggestions go into. Boxes do not: they
hold what is around an object, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from labelstudio_backend.label_config import Kind, LabelingConfig
from labelstudio_backend.label_studio import Answer
from labelstudio_backend.pictures import Source, sources_of
from labelstudio_backend.wire import Task
from labelstudio_backend.words import ImageWords, words_of_controls
from ovseg_annotate.formats.fields import Field
from ovseg_annotate.formats.label_studio_results import regions_of_results, size_of_results
from ovseg_annotate.geometry import Size
from ovseg_annotate.learning_loop.corrections import Correction, correction_of
from ovseg_annotate.regions import AnnotatedImage, Region

_EXACT = (Kind.POLYGON, Kind.BRUSH, Kind.BITMASK)


@dataclass(frozen=True, slots=True)
class TaskPicture:
    """One picture of a task and its name in the journal."""

    name: str
    task: int
    source: Source


def pictures_of(task: Task, config: LabelingConfig) -> tuple[TaskPicture, ...]:
    """The pictures of a task; raises `TaskError` where it does not have them."""
    number = task.id or 0
    return tuple(
        TaskPicture(_name(number, source), number, source) for source in sources_of(config, task)
    )


def corrections_of(task: Task, answer: Answer, config: LabelingConfig) -> Iterator[Correction]:
    """What a person said of each picture of a task: they are done with all of it.

    Of several pictures only those count in which something was drawn: nobody tells whether a
    person has turned to the others.
    """
    config = config.for_task(task.data)
    pictures = pictures_of(task, config)
    for picture in pictures:
        controls = config.controls_of(picture.source.tag.name)
        words = words_of_controls(each for each in controls if each.takes_regions)
        if words.vocabulary is None:
            continue
        exact = {each.name for each in controls if each.takes_regions and each.kind in _EXACT}
        left = _items(answer.results, exact, picture.source)
        before = _items(answer.suggested, exact, picture.source)
        if not left and len(pictures) > 1:
            continue
        size = _size(left) or _size(before)
        if size is None:
            continue  # nothing was suggested and nothing drawn
        suggested, drawn = (
            AnnotatedImage(picture.name, size, _regions(items, words), words.vocabulary, None)
            for items in (before, left)
        )
        began = suggested if answer.suggested is not None else None
        yield replace(correction_of(began, drawn, accepted=True), version=answer.version)


def _name(task: int, source: Source) -> str:
    place = "" if source.index is None else f" {source.index}"
    return f"task {task} {source.tag.name}{place}"


def _items(results: Field | None, controls: Collection[str], source: Source) -> list[Field]:
    """The result items of some controls on one picture."""
    found = []
    for item in () if results is None else results.items():
        control, index = item.find("from_name"), item.find("item_index")
        if control is None or control.value not in controls:
            continue
        if source.index is None or (index is not None and index.whole() == source.index):
            found.append(item)
    return found


def _whole(items: Sequence[Field]) -> Field:
    return Field([item.value for item in items], items[0].where if items else "an annotation")


def _size(items: Sequence[Field]) -> Size | None:
    return size_of_results(_whole(items))


def _regions(items: Sequence[Field], words: ImageWords) -> tuple[Region, ...]:
    """The regions under the names of concepts; those of labels that the config lost are left out.

    A label in several controls is one concept, whose regions stand in each of them.
    """
    known = []
    for region in regions_of_results(_whole(items)):
        concept = words.concept_of(region.concept)
        if concept is not None:
            known.append(replace(region, concept=concept, confidence=None))
    return tuple(known)
