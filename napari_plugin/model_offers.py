"""Which models a person can choose from: everything on this machine, then what can be fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ovseg_annotate.catalog import ModelEntry


@dataclass(frozen=True, slots=True)
class ModelOffer:
    """One line of the list."""

    name: str  # ENGINE@WEIGHTS
    text: str
    tooltip: str


def model_offers() -> tuple[ModelOffer, ...]:
    """What the catalogue knows; asks no network."""
    from ovseg_annotate.catalog import State, engines, models  # noqa: PLC0415  slow to import

    known = models()
    here = [entry for entry in known if entry.state is not State.DOWNLOADABLE]
    elsewhere = [entry for entry in known if entry.state is State.DOWNLOADABLE]
    told = {entry.name: entry.description for entry in engines()}
    return (
        *(_offer(entry, engine, told[engine]) for entry in here for engine in entry.engines),
        *(_offer(entry, entry.engines[0], told[entry.engines[0]]) for entry in elsewhere),
    )


def offer_of(name: str) -> ModelOffer:
    """A model that a person named; an error where it cannot be one."""
    from ovseg_annotate.catalog import engine_named, parse_model  # noqa: PLC0415  slow to import

    model = parse_model(name)
    return ModelOffer(str(model), str(model), engine_named(model.engine).description)


def _offer(entry: ModelEntry, engine: str, method: str) -> ModelOffer:
    from ovseg_annotate.catalog import State  # noqa: PLC0415  slow to import

    name = f"{engine}@{entry.weights}"
    to_fetch = entry.state is State.DOWNLOADABLE
    return ModelOffer(
        name,
        f"{name} ({entry.megabytes} MB to fetch)" if to_fetch else name,
        f"{engine}: {method}\n{entry.weights}: {entry.description}\nlicence: {entry.licence}",
    )
