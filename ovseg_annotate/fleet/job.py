"""What every worker of a fleet has to know, in plain values that travel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.image import ReadingOptions
from ovseg_annotate.lake import Lake, Storage
from ovseg_annotate.regions import RegionOptions
from ovseg_annotate.run_folder import RunSettings

if TYPE_CHECKING:
    from ovseg_annotate.session import Session


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """How a worker opens its session."""

    model: str
    device: str
    precision: str
    cache: str | None  # folder of kept features on the worker's machine
    engine_options: Mapping[str, str]
    offline: bool

    def opened(self) -> Session:
        from ovseg_annotate.feature_store import FeatureStore  # noqa: PLC0415  imports torch
        from ovseg_annotate.session import open_session  # noqa: PLC0415

        return open_session(
            self.model,
            device=self.device,
            precision=self.precision,
            cache=FeatureStore(folder=None if self.cache is None else Path(self.cache)),
            engine_options=self.engine_options,
            offline=self.offline,
        )


@dataclass(frozen=True, slots=True)
class Job:
    """A whole order: the words, the settings, the place for the answers."""

    session: SessionPlan
    settings: RunSettings
    out: str
    part_pictures: int

    @property
    def vocabulary(self) -> str:
        return self.settings.vocabulary

    @property
    def annotate(self) -> AnnotateOptions:
        return self.settings.annotate

    @property
    def regions(self) -> RegionOptions:
        return self.settings.regions

    @property
    def reading(self) -> ReadingOptions:
        return self.settings.reading

    @property
    def lake(self) -> Lake:
        return Lake(Storage(self.out), self.settings, self.part_pictures)


# Asked between two steps: whether the person wants to stop.
Stop = Callable[[], bool]
