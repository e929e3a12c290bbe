"""What a server tells of itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from ovseg_annotate.card import EngineCard
from ovseg_annotate.errors import FormatError, OptionError
from ovseg_annotate.formats.fields import parse_json
from ovseg_annotate.options import read_options
from ovseg_annotate.remote.connection import Ask, Connection, not_ours
from ovseg_annotate.watch import Watch


@dataclass(frozen=True, slots=True)
class Served:
    """The model of a server."""

    model: str  # ENGINE@WEIGHTS
    precision: str
    engine_options: tuple[str, ...]
    version: str  # of ovseg-annotate
    card: EngineCard = field(repr=False)


def served_at(connection: Connection, watch: Watch) -> Served:
    """Ask a server what it has; raises ServerError where it has nothing."""
    url = connection.address.url
    content = connection.ask(Ask("GET", "/model"), watch)
    try:
        told = parse_json(content, url)
        card = told.get("card").value
        if not isinstance(card, dict):
            raise told.get("card").wrong("an object {...}")
        return Served(
            told.get("model").text(),
            told.get("precision").text(),
            tuple(item.text() for item in told.get("engine_options").items()),
            told.get("version").text(),
            read_options(EngineCard, card),
        )
    except (FormatError, OptionError, TypeError) as error:
        raise not_ours(url, error) from error
