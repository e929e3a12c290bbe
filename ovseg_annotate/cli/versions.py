"""`ovseg versions`: what a project has learnt, which version is in service, and what it saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ovseg_annotate.cli.learn import project_of
from ovseg_annotate.cli.queue import DeviceOptions, run_session
from ovseg_annotate.cli.sessions import SessionOptions, opened_session
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.errors import OptionError, RunError, listed_by_nearness
from ovseg_annotate.evaluation.effort import Effort, VersionEffort, by_version
from ovseg_annotate.learning_loop.corrections import suggestion_for
from ovseg_annotate.learning_loop.journal import FILE_NAME, Journal
from ovseg_annotate.learning_loop.versions import BASE, Versions
from ovseg_annotate.lessons.phrase_weights import counting_less
from ovseg_annotate.lessons.version import VersionCard
from ovseg_annotate.plain_data import json_text
from ovseg_annotate.refused_writes import explained
from ovseg_annotate.run_folder import RunReader, is_run_folder

if TYPE_CHECKING:
    from ovseg_annotate.session import Session

_BASE_NAME = "base"  # what a person writes for the model as it came
_DIFFERING = (
    "candidate",
    "before",
    "after",
    "vocabulary",
    "options",
    "settings",
    "program",
    "head",
    "head_after",
)


@dataclass(frozen=True, slots=True)
class VersionsOptions:
    """How to say it."""

    model: str | None = None  # import into an empty project: the model the version belongs to
    json: bool = False  # one JSON object on stdout


@dataclass(frozen=True, slots=True)
class Call:
    """One call, read."""

    project: Path
    run: Path | None  # None: a project without a run folder
    names: tuple[str, ...]  # what stands behind the action
    options: VersionsOptions
    opener: Opener


Opener: TypeAlias = "Callable[[SessionOptions], Session]"
Action: TypeAlias = Callable[[Call], None]


def versions(
    folder: Annotated[Path, typer.Argument(help="A run folder, or a project folder.")],
    options: VersionsOptions,
    action: Annotated[
        str, typer.Argument(help="list, use NAME, back, compare A B, export NAME FILE, import FILE")
    ] = "list",
    names: Annotated[list[str] | None, typer.Argument(help="What the action is about.")] = None,
) -> None:
    """List the versions learnt from corrections; switch, go back, compare, carry elsewhere."""
    versions_with(opened_session, folder, options, action, tuple(names or ()))


def versions_with(
    opener: Opener, folder: Path, options: VersionsOptions, action: str, names: tuple[str, ...]
) -> None:
    """Do what was asked."""
    if action not in _ACTIONS:
        raise OptionError(
            f"{action!r} is no action; there is: {listed_by_nearness(action, _ACTIONS)}"
        )
    wanted, act = _ACTIONS[action]
    if len(names) != len(wanted):
        usage = " ".join(("ovseg versions", str(folder), action, *wanted))
        raise OptionError(f"{action} was given {len(names)} names; write: {usage}")
    project = project_of(folder)
    if not project.is_dir() and action != "import":
        raise RunError(f"nothing was learnt in {folder} yet; give 'ovseg learn {folder}' first")
    act(Call(project, folder if is_run_folder(folder) else None, names, options, opener))


def _list(call: Call) -> None:
    versions = Versions(call.project)
    in_service = versions.in_service.name
    cards = {name: versions.get(name).card for name in versions.names}
    sizes = {name: versions.path_of(name).stat().st_size for name in cards}
    efforts = _efforts(call)
    if call.options.json:
        plain = {
            "in_service": in_service or None,
            "versions": [
                {"name": name, "bytes": sizes[name], **asdict(card)} for name, card in cards.items()
            ],
            "effort": [asdict(each) for each in efforts],
        }
        typer.echo(json_text(plain))
        return
    table = _table(
        "version", "in service", "pictures", "learnt by", "before", "after", "size", "when"
    )
    for name, card in cards.items():
        used = "yes" if name == in_service else ""
        scores = (f"{100 * card.before:.1f}", f"{100 * card.after:.1f}")
        learnt = (str(len(card.corrections)), card.candidate)
        size = f"{sizes[name] / 1000:.0f} kB"
        table.add_row(name, used, *learnt, *scores, size, card.created[:16])
    table.add_row(_BASE_NAME, "" if in_service else "yes", *([""] * 6))
    Console().print(table)
    for name, card in cards.items():
        less = counting_less(card.phrases)
        if less:
            Console().print(escape(f"{name}: phrases that count less: {less}"))
    if efforts:
        Console().print(_effort_table(efforts))


def _use(call: Call) -> None:
    name = call.names[0]
    Versions(call.project).use(BASE if name == _BASE_NAME else name)
    _say_service(call)


def _back(call: Call) -> None:
    Versions(call.project).roll_back()
    _say_service(call)


def _compare(call: Call) -> None:
    versions = Versions(call.project)
    one, other = (versions.get(name).card for name in call.names)
    rows = list(_differences(one, other))
    if call.options.json:
        typer.echo(json_text({what: [left, right] for what, left, right in rows}))
        return
    table = _table("", *call.names)
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)


def _export(call: Call) -> None:
    name, path = call.names[0], Path(call.names[1])
    Versions(call.project).export(name, path)
    typer.echo(path)


def _import(call: Call) -> None:
    versions, path = Versions(call.project), Path(call.names[0])
    with explained(path):
        content = path.read_bytes()
    name = versions.take_in(content, str(path), _space(call, versions))
    talk = Talk()
    talk.say(f"{name} is there; put it into service with: ovseg versions {call.project} use {name}")
    typer.echo(name)


_ACTIONS: dict[str, tuple[tuple[str, ...], Action]] = {
    "list": ((), _list),
    "use": (("NAME",), _use),
    "back": ((), _back),
    "compare": (("NAME", "NAME"), _compare),
    "export": (("NAME", "FILE"), _export),
    "import": (("FILE",), _import),
}


def _space(call: Call, versions: Versions) -> str:
    """Of the model that versions of this project belong to."""
    if versions.names:
        return versions.get(versions.names[0]).card.space
    if call.options.model is not None:
        wanted = SessionOptions(model=call.options.model)
    elif call.run is not None:
        wanted = run_session(RunReader(call.run).settings, DeviceOptions())
    else:
        raise OptionError(
            f"{call.project} has no version yet that would tell its model; name it with --model"
        )
    with call.opener(wanted) as session:
        return session.card.space


def _say_service(call: Call) -> None:
    versions = Versions(call.project)
    name = versions.in_service.name
    Talk().say(
        f"in service: {versions.path_of(name)}" if name else "in service: the model as it came"
    )
    typer.echo(name or _BASE_NAME)


def _differences(one: VersionCard, other: VersionCard) -> Sequence[tuple[str, str, str]]:
    rows = []
    for name in _DIFFERING:
        left, right = getattr(one, name), getattr(other, name)
        if left != right or name in ("before", "after"):
            rows.append((name, _shown(left), _shown(right)))
    rows += _phrase_differences(one, other)
    left, right = set(one.corrections), set(other.corrections)
    rows.append(("pictures", str(len(left)), str(len(right))))
    rows.append(("only here", str(len(left - right)), str(len(right - left))))
    return rows


def _phrase_differences(one: VersionCard, other: VersionCard) -> Iterator[tuple[str, str, str]]:
    """Phrases that count otherwise in one of the two, as shares of what they counted before."""
    weights = [
        {(each.concept, each.phrase): f"{each.weight:.2f}" for each in card.phrases}
        for card in (one, other)
    ]
    for concept, phrase in sorted(weights[0].keys() | weights[1].keys()):
        left, right = (own.get((concept, phrase), "1.00") for own in weights)
        if left != right:
            yield f"weight of {phrase!r} for {concept}", left, right


def _shown(value: object) -> str:
    return f"{100 * value:.1f}" if isinstance(value, float) else str(value)


def _efforts(call: Call) -> tuple[VersionEffort, ...]:
    """What the suggestions of each version cost, the versions named where the run tells them."""
    if not (call.project / FILE_NAME).is_file():
        return ()
    reader = None if call.run is None else RunReader(call.run)
    costs: list[tuple[str, Effort]] = []
    named: dict[str, str] = {}
    try:
        with Journal(call.project) as journal:
            for each in journal.corrections():
                costs.append((each.version, each.effort))
                if reader is not None and each.version not in named:
                    suggested = suggestion_for(reader, each.picture)
                    if suggested is not None and suggested.provenance is not None:
                        named[suggested.provenance.digest] = suggested.provenance.model
    except RunError as error:
        Talk().warn(f"what versions cost is not shown: {error}")
        return ()
    return by_version(
        (named.get(version, version or "drawn from nothing"), effort) for version, effort in costs
    )


def _effort_table(efforts: Sequence[VersionEffort]) -> Table:
    table = _table("suggested by", "pictures", "pixels a picture", "regions kept", "moved", "drawn")
    for each in efforts:
        effort = each.effort
        table.add_row(
            escape(each.version),
            str(effort.pictures),
            f"{each.pixels_a_picture:.0f}",
            f"{100 * each.kept_share:.0f} %",
            str(effort.regions_changed),
            str(effort.regions_drawn),
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
