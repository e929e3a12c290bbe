"""Every public data set by its name, with its protocols."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from ovseg_annotate.datasets import ade20k, cityscapes, coco, pascal_context, voc
from ovseg_annotate.datasets.labelled import LabelledSet
from ovseg_annotate.errors import (
    FormatError,
    OptionError,
    VocabularyError,
    listed_by_nearness,
)


@dataclass(frozen=True, slots=True)
class PublicData:
    """A data set that a person downloads once; we only read its folder."""

    name: str
    protocols: tuple[str, ...]  # the first one is taken when none is named
    opener: Callable[[Path, str], LabelledSet]
    training: Callable[[Path], LabelledSet] | None = None  # the split to learn from, if it is read

    def open(self, path: Path, protocol: str | None = None) -> LabelledSet:
        """Find files and names below a folder; pictures and maps are read later."""
        chosen = self.protocols[0] if protocol is None else protocol
        if chosen not in self.protocols:
            raise OptionError(
                f"protocol {chosen!r} is none of {self.name!r}; "
                f"there is: {listed_by_nearness(chosen, self.protocols)}"
            )
        with _named(path):
            return self.opener(path, chosen)


def open_training_set(name: str, path: Path) -> LabelledSet:
    """The split of a public data set that may be learnt from."""
    if name not in PUBLIC_DATA:
        raise OptionError(
            f"unknown data {name!r}; there is: {listed_by_nearness(name, PUBLIC_DATA)}"
        )
    opener = PUBLIC_DATA[name].training
    if opener is None:
        learnt = [each.name for each in _ALL if each.training is not None]
        raise OptionError(
            f"the training split of {name!r} is not read; there is: {', '.join(learnt)}"
        )
    with _named(path):
        return opener(path)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What is wrong with the names of a data set is wrong with its files."""
    try:
        yield
    except VocabularyError as error:
        raise FormatError(f"{path}: {error}") from error


_ALL = (
    PublicData("voc", voc.PROTOCOLS, voc.open_voc),
    PublicData("pascal-context", pascal_context.PROTOCOLS, pascal_context.open_pascal_context),
    PublicData("ade20k", ade20k.PROTOCOLS, ade20k.open_ade20k),
    PublicData("coco", coco.PROTOCOLS, coco.open_coco),
    PublicData(
        "coco-stuff", coco.STUFF_PROTOCOLS, coco.open_coco_stuff, coco.open_coco_stuff_training
    ),
    PublicData("cityscapes", cityscapes.PROTOCOLS, cityscapes.open_cityscapes),
)

PUBLIC_DATA: Mapping[str, PublicData] = MappingProxyType({each.name: each for each in _ALL})
