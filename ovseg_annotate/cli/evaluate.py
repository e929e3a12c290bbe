"""`ovseg evaluate`: how well a model labels pictures whose labels are known."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import typer
from rich.console import Console
from rich.table import Table

from ovseg_annotate._version import __version__
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.cli.option_flags import Flag, flags_of
from ovseg_annotate.cli.sessions import SessionOptions, opened_session, vocabulary_from
from ovseg_annotate.cli.talk import Talk
from ovseg_annotate.errors import OptionError, RunError
from ovseg_annotate.geometry import Size
from ovseg_annotate.options import digest_text
from ovseg_annotate.plain_data import json_text
from ovseg_annotate.run_folder import RunReader, write_in_pieces, write_whole

if TYPE_CHECKING:
    from ovseg_annotate.datasets.corrected import Corrected
    from ovseg_annotate.datasets.protocol import Protocol
    from ovseg_annotate.evaluate_model import Annotator, Examined
    from ovseg_annotate.evaluation.data_sets import Reading
    from ovseg_annotate.evaluation.held_out import Asking
    from ovseg_annotate.evaluation.results import Conditions, Evaluation
    from ovseg_annotate.evaluation.trials import TrialSet
    from ovseg_annotate.image import Image
    from ovseg_annotate.label_map import LabelMap
    from ovseg_annotate.session import Session
    from ovseg_annotate.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """On what, and where the result goes."""

    data: tuple[str, ...] = ("scenes:heldout",)  # scenes:easy, folder:PATH, run:PATH, ade20k:PATH
    protocol: tuple[str, ...] = ()  # of public data sets, such as a150; their first if not given
    truth_format: str = "masks"  # format of an export
    pictures: Path | None = None  # folder of the pictures of an export or a run, where not known
    count: int = 100  # pictures of each set at most
    seed: int = 0  # of the order of the words and the choice of absent ones
    absent: int = 4  # words asked for beside those of a scene
    synonyms: bool = False  # ask for scenes in other words than those of their names
    prompts: str | None = None  # words for the concepts of a folder: "nucleus: cell nucleus"
    boundary: float = 2.0  # px within which a border counts as found
    exhibits: int = 4  # best and worst pictures of each set on the page
    out: Path | None = None  # write a page with the scores and pictures: page.html
    card: Path | None = None  # write a model card: CARD.md
    recipe: Path | None = None  # of the training, for the card
    json: bool = False  # one JSON object on stdout

    def __post_init__(self) -> None:
        if not 0 <= self.boundary <= 50:
            raise OptionError(f"boundary {self.boundary:g} px is out of range; allowed: 0 to 50")
        if not 0 <= self.exhibits <= 100:
            raise OptionError(f"exhibits {self.exhibits} is out of range; allowed: 0 to 100")


_WIDE = 1000  # columns: no table needs more
_ALWAYS_SAID = frozenset({"model", "data", "count", "seed"})
_NEVER_SAID = frozenset({"out", "card", "recipe", "exhibits", "json"})  # change no number

Opener: TypeAlias = Callable[[SessionOptions], "Session"]


def evaluate(evaluate: EvaluateOptions, session: SessionOptions, annotate: AnnotateOptions) -> None:
    """Measure a model on held-out scenes or on a folder of pictures and label maps."""
    evaluate_with(opened_session, evaluate, session, annotate)


def evaluate_with(
    opener: Opener, options: EvaluateOptions, session: SessionOptions, annotate: AnnotateOptions
) -> None:
    """Annotate all sets; then say, and write where asked, what came out."""
    from ovseg_annotate.evaluate_model import examine  # noqa: PLC0415  the list of verbs is cheap
    from ovseg_annotate.evaluation.data_sets import trial_sets  # noqa: PLC0415
    from ovseg_annotate.evaluation.results import Evaluation  # noqa: PLC0415

    words = None if options.prompts is None else vocabulary_from(options.prompts)
    sets = trial_sets(options.data, _asking(options), words, reading_of(options))
    talk = Talk()
    for protocol in (each.protocol for each in sets if each.protocol is not None):
        talk.say(protocol.sentence)
    with opener(session) as opened:
        command = _command(options, session, annotate)
        conditions = _conditions(opened, options, command, _settled(annotate, sets))
        with talk.progress(sum(each.count for each in sets), "picture") as view:
            examined = [
                examine(
                    trials,
                    _annotator(opened, annotate, trials.protocol),
                    options.boundary,
                    options.exhibits,
                    view.advance,
                )
                for trials in sets
            ]
    evaluation = Evaluation(conditions, tuple(each.result for each in examined))
    _write(evaluation, examined, options, talk)
    _tell(evaluation, as_json=options.json)


def _settled(annotate: AnnotateOptions, sets: Iterable[TrialSet]) -> AnnotateOptions:
    """The options that all sets share; where protocols differ, those that were given."""
    from ovseg_annotate.evaluate_model import under_protocol  # noqa: PLC0415

    some = Size(height=1, width=1)  # square: no long side changes the scale
    settled = {under_protocol(annotate, each.protocol, some) for each in sets}
    return settled.pop() if len(settled) == 1 else annotate


def _annotator(opened: Session, options: AnnotateOptions, protocol: Protocol | None) -> Annotator:
    from ovseg_annotate.evaluate_model import under_protocol  # noqa: PLC0415

    def annotated(image: Image, words: Vocabulary) -> LabelMap:
        return opened.annotate(
            image, words, under_protocol(options, protocol, image.size)
        ).label_map

    return annotated


def reading_of(options: EvaluateOptions) -> Reading:
    """How pictures that are no scenes are read."""
    from ovseg_annotate.evaluation.data_sets import Reading  # noqa: PLC0415

    return Reading(
        options.protocol,
        options.truth_format,
        options.pictures,
        partial(_corrections_in, options.pictures),
    )


def _corrections_in(pictures: Path | None, path: Path) -> Iterator[Corrected]:
    """What people made of a run folder; suggestions are no truth."""
    from ovseg_annotate.datasets.corrected import Corrected  # noqa: PLC0415

    for record in RunReader(path).records():
        if not record.corrected:
            continue
        source = record.source if pictures is None else pictures / record.image.name
        if source is None:
            raise RunError(
                f"{record.path} does not say where its picture {record.image.name} is; "
                "name the folder of the pictures with --pictures"
            )
        yield Corrected(source, record.image)


def _asking(options: EvaluateOptions) -> Asking:
    from ovseg_annotate.evaluation.held_out import Asking  # noqa: PLC0415

    return Asking(options.count, options.seed, options.absent, options.synonyms)


def _conditions(
    opened: Session, options: EvaluateOptions, command: str, annotate: AnnotateOptions
) -> Conditions:
    from ovseg_annotate.evaluation.results import Conditions  # noqa: PLC0415

    card = opened.card
    return Conditions(
        model=opened.model,
        weights=opened.weights_digest,
        licence=card.licence,
        command=command,
        seed=options.seed,
        threshold=card.threshold if annotate.threshold is None else annotate.threshold,
        contrast=annotate.contrast,
        options=f"{digest_text(annotate)} {card.options}".strip(),
        precision=opened.precision,
        boundary_distance=options.boundary,
        version=__version__,
    )


def _command(*given: EvaluateOptions | SessionOptions | AnnotateOptions) -> str:
    """What to type to measure the same again: the flags that are not at their defaults."""
    words = ["ovseg", "evaluate"]
    for options in given:
        usual = type(options)()
        for flag in flags_of(type(options)):
            value, default = _value(options, flag.keys), _value(usual, flag.keys)
            wanted = value != default or flag.parameter in _ALWAYS_SAID
            if wanted and flag.parameter not in _NEVER_SAID:
                words += _as_typed(flag, value)
    return shlex.join(words)


def _value(options: object, keys: tuple[str, ...]) -> object:
    for key in keys:
        options = getattr(options, key)
    return options


def _as_typed(flag: Flag, value: object) -> list[str]:
    name = f"--{flag.parameter.replace('_', '-')}"
    if isinstance(value, bool):
        return [name if value else name.replace("--", "--no-", 1)]
    return [name, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]


def _write(
    evaluation: Evaluation, examined: list[Examined], options: EvaluateOptions, talk: Talk
) -> None:
    if options.out is not None:
        from ovseg_annotate.evaluation.page import evaluation_page  # noqa: PLC0415

        pieces = evaluation_page(evaluation, [each.gallery for each in examined])
        write_in_pieces(options.out, (piece.encode() for piece in pieces))
        talk.say(f"the page is {options.out}")
    if options.card is not None:
        from ovseg_annotate.evaluation.card import card_text, read_training  # noqa: PLC0415

        training = read_training(options.recipe, options.card.with_name("card.json"))
        write_whole(options.card, card_text(evaluation, training).encode())
        talk.say(f"the card is {options.card}")


def _tell(evaluation: Evaluation, *, as_json: bool) -> None:
    from ovseg_annotate.evaluation.results import COLUMNS, table_rows  # noqa: PLC0415

    if as_json:
        typer.echo(json_text(evaluation.as_plain()))
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("set", no_wrap=True)
    for column in COLUMNS:
        table.add_column(column.title, justify="right", no_wrap=True)
    for row in table_rows(evaluation.sets):
        table.add_row(*row)
    console = Console()
    # A folded table is hard to read: lines that are too long may wrap at the terminal's edge.
    needed = Console(width=_WIDE).measure(table).maximum
    console.width = max(console.width, needed)
    console.print(table)
    for sentence in evaluation.conditions.sentences[1:]:
        console.print(sentence, highlight=False, markup=False)
