"""The page of `ovseg evaluate`: the table, how sure is how right, and pictures to look at."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources

import numpy as np

from ovseg_annotate.evaluation.confusion import Labels
from ovseg_annotate.evaluation.reliability import reliability_plot
from ovseg_annotate.evaluation.results import COLUMNS, Evaluation, SetResult, shown, table_rows
from ovseg_annotate.evaluation.scores import ConceptScore
from ovseg_annotate.evaluation.trials import Trial
from ovseg_annotate.geometry import Size
from ovseg_annotate.overlay.drawing import jpeg_address, region_paths, shown_size
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import colour_by_position

# The page may load nothing: what it shows is inside.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_LONGEST_SIDE = 384  # px of a picture in the page
_FEW_CONCEPTS = 12  # whose table is open from the start
_CONCEPT_COLUMNS = (
    "",
    "IoU",
    "borders",
    "AP",
    "AP50",
    "AP75",
    "examples",
    "true pixels",
    "suggested pixels",
)


@dataclass(frozen=True, slots=True, eq=False)
class Exhibit:
    """One answer beside the truth."""

    trial: Trial
    labels: Labels  # (height, width), as suggested
    mean_iou: float


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """The answers of one set that are worth a look."""

    result: SetResult
    best: tuple[Exhibit, ...]  # best first
    worst: tuple[Exhibit, ...]  # worst first


def evaluation_page(evaluation: Evaluation, galleries: Iterable[Gallery]) -> Iterator[str]:
    """The page in pieces; it needs no other file."""
    galleries = tuple(galleries)
    yield _head(evaluation, _most_concepts(galleries))
    yield _table(evaluation)
    for gallery in galleries:
        yield f"<section><h2>{html.escape(gallery.result.name)}</h2>"
        if gallery.result.protocol is not None:
            yield f"<p>{html.escape(gallery.result.protocol)}</p>"
        yield from _set(gallery.result)
        yield from _exhibits("Worst", gallery.worst)
        yield from _exhibits("Best", gallery.best)
        yield "</section>\n"
    yield "</main></html>\n"


def _head(evaluation: Evaluation, concepts: int) -> str:
    title = html.escape(f"{evaluation.conditions.model}: evaluation")
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in evaluation.conditions.sentences)
    style = resources.files("ovseg_annotate.evaluation").joinpath("page.css").read_text("utf-8")
    colours = "".join(
        ".c{0}{{fill:{1};stroke:{1};background:{1}}}".format(number, _hex(number))
        for number in range(concepts)
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{style}{colours}</style></head>"
        f"<body><header><h1>{title}</h1>{lines}</header><main>\n"
    )


def _table(evaluation: Evaluation) -> str:
    head = "".join(
        f'<th title="{html.escape(column.meaning)}">{html.escape(column.title)}</th>'
        for column in COLUMNS
    )
    body = "".join(
        f"<tr><th>{html.escape(name)}</th>{''.join(f'<td>{value}</td>' for value in values)}</tr>"
        for name, *values in table_rows(evaluation.sets)
    )
    meanings = "".join(
        f"<dt>{html.escape(column.title)}</dt><dd>{html.escape(column.meaning)}</dd>"
        for column in COLUMNS
    )
    return (
        f'<div class="wide"><table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody>'
        f"</table></div><details><summary>What the columns mean</summary><dl>{meanings}</dl>"
        "</details>\n"
    )


def _set(result: SetResult) -> Iterator[str]:
    """The numbers of one set and where they come from."""
    (_, *values), *_ = table_rows((result,))
    facts = "".join(
        f"<dt>{html.escape(column.title)}</dt><dd>{value}</dd>"
        for column, value in zip(COLUMNS, values, strict=True)
    )
    scores = result.scores
    if result.protocol is not None:
        yield f"<p>{html.escape(result.protocol)}</p>"
    yield f'<div class="set"><dl>{facts}</dl>'
    if scores.reliability:
        yield (
            f'<figure class="reliability">{reliability_plot(scores.reliability)}<figcaption>'
            f"Calibration error {shown(scores.calibration_error)}. A model that is as right as it "
            'is sure has its bars end on the dashed line; <span class="over">too sure</span>, '
            '<span class="under">not sure enough</span>. Below: where the pixels are.'
            "</figcaption></figure>"
        )
    yield "</div>"
    yield _concept_table(scores.concepts)


def _concept_table(concepts: tuple[ConceptScore, ...]) -> str:
    """The worst first; those that are nowhere in the truth last."""
    ordered = sorted(concepts, key=_worst_first)
    rows = "".join(_concept_row(each) for each in ordered)
    head = "".join(f"<th>{title}</th>" for title in _CONCEPT_COLUMNS)
    is_open = " open" if len(concepts) <= _FEW_CONCEPTS else ""
    return (
        f'<details{is_open}><summary>Concept by concept</summary><div class="wide"><table><thead>'
        f"<tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>\n"
    )


def _worst_first(concept: ConceptScore) -> tuple[bool, bool, float, str]:
    unasked = math.isnan(concept.iou)  # neither there nor suggested
    return concept.true_pixels == 0, unasked, 0.0 if unasked else concept.iou, concept.name


def _concept_row(concept: ConceptScore) -> str:
    found = concept.instances
    values = (
        *map(shown, (concept.iou, concept.boundary, found.mean, found.at_50, found.at_75)),
        str(concept.examples or "-"),
        str(concept.true_pixels or "-"),
        str(concept.suggested_pixels or "-"),
    )
    cells = "".join(f"<td>{value}</td>" for value in values)
    return f"<tr><th>{html.escape(concept.name)}</th>{cells}</tr>"


def _exhibits(title: str, exhibits: tuple[Exhibit, ...]) -> Iterator[str]:
    if exhibits:
        yield f"<h3>{title}</h3>"
        for exhibit in exhibits:
            yield _exhibit(exhibit)


def _exhibit(exhibit: Exhibit) -> str:
    trial = exhibit.trial
    size = Size(*trial.truth.shape)
    picture = shown_size(size, _LONGEST_SIDE)
    address = jpeg_address(trial.pixels, picture)
    views = "".join(
        f'<figure><div><img src="{address}" alt="" width="{picture.width}" '
        f'height="{picture.height}">{_drawn(trial, labels, picture)}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
        for caption, labels in (
            ("picture", None),
            ("truth", trial.truth),
            ("suggestion", exhibit.labels),
        )
    )
    name = f"{html.escape(trial.name)} <small>mean IoU {shown(exhibit.mean_iou)}</small>"
    return f"<article><h4>{name}</h4>{views}<p>{_legend(trial)}</p></article>\n"


def _drawn(trial: Trial, labels: Labels | None, picture: Size) -> str:
    if labels is None:
        return ""
    names = trial.vocabulary.names
    regions = tuple(
        Region(names[label - 1], (), Mask.of(labels == label))
        for label in np.unique(labels).tolist()
        if 0 < label <= len(names)
    )
    classes = {name: f"c{number}" for number, name in enumerate(names)}
    size = Size(*labels.shape)
    image = AnnotatedImage(trial.name, size, regions, trial.vocabulary, None)
    paths = region_paths(image, picture, classes)
    return f'<svg viewBox="0 0 {picture.width} {picture.height}">{paths}</svg>'


def _legend(trial: Trial) -> str:
    absent = set(trial.absent)
    return " ".join(
        f'<span><i class="c{label - 1}"></i>'
        + (f"<s>{html.escape(name)}</s>" if label in absent else html.escape(name))
        + "</span>"
        for label, name in enumerate(trial.vocabulary.names, start=1)
    )


def _most_concepts(galleries: tuple[Gallery, ...]) -> int:
    return max(
        (
            len(exhibit.trial.vocabulary)
            for gallery in galleries
            for exhibit in (*gallery.best, *gallery.worst)
        ),
        default=0,
    )


def _hex(number: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour_by_position(number))
