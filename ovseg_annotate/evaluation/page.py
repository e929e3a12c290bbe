"""The page of `ovseg evaluate`: the table, how sure is how right, and pictures to look at."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources

import numpy as np

from ovseg_annotate.evaluation.confusion import Labels
from ovseg_annotate.evaluation.results import COLUMNS, Evaluation, SetResult, shown, table_rows
from ovseg_annotate.evaluation.scores import Bin
from ovseg_annotate.evaluation.trials import Trial
from ovseg_annotate.geometry import Size
from ovseg_annotate.overlay.drawing import jpeg_address, region_paths, shown_size
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import colour_by_position

# The page may load nothing: what it shows is inside.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_LONGEST_SIDE = 384  # px of a picture in the page
_PLOT = 100  # units of a reliability plot's side


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
        yield _reliability(gallery.result.scores.reliability)
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


def _reliability(bins: tuple[Bin, ...]) -> str:
    """Dots on the diagonal are as right as they are sure; larger dots stand for more pixels."""
    if not bins:
        return ""
    most = max(each.pixels for each in bins)
    dots = "".join(
        f'<circle cx="{_PLOT * each.confidence:.1f}" cy="{_PLOT * (1 - each.right):.1f}" '
        f'r="{1.5 + 3 * (each.pixels / most) ** 0.5:.1f}"><title>{each.confidence:.2f} sure, '
        f"{each.right:.2f} right, {each.pixels} pixels</title></circle>"
        for each in bins
    )
    return (
        f'<figure class="reliability"><svg viewBox="-6 -6 {_PLOT + 12} {_PLOT + 12}">'
        f'<rect width="{_PLOT}" height="{_PLOT}"/><path d="M0 {_PLOT}L{_PLOT} 0"/>{dots}</svg>'
        "<figcaption>right (upwards) against sure (to the right), both 0 to 1</figcaption>"
        "</figure>"
    )


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
