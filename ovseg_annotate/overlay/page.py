"""The page of `ovseg show`: one HTML file with its pictures inside, for file:// and for mail."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ovseg_annotate.overlay.drawing import jpeg_address, region_paths, shown_size
from ovseg_annotate.overlay.shares import ConceptShare, concept_shares
from ovseg_annotate.regions import AnnotatedImage
from ovseg_annotate.vocabulary import Colour, Vocabulary

# The page may load nothing: what it shows and runs is inside.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_PAPER = 235  # grey level that stands for a picture which is not there


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """One picture of the page."""

    image: AnnotatedImage
    pixels: NDArray[np.uint8] | None  # (height, width, 3); None: the picture cannot be read
    note: str = ""  # such as why there are no pixels, or that a person corrected it


@dataclass(frozen=True, slots=True)
class Page:
    """What stands above the pictures."""

    title: str
    lines: tuple[str, ...]  # how the suggestions came about
    vocabulary: Vocabulary
    note: str = ""  # such as how many pictures are left out


def page_html(page: Page, sheets: Iterable[Sheet], longest_side: int = 1024) -> Iterator[str]:
    """The page in pieces, so that only one picture is in memory at a time."""
    classes = {name: f"c{number}" for number, name in enumerate(page.vocabulary.names)}
    yield _head(page)
    for number, sheet in enumerate(sheets):
        yield _card(sheet, number, longest_side, classes)
    yield f"</main><dialog><div></div><p></p></dialog><script>{_asset('page.js')}</script></html>\n"


def _head(page: Page) -> str:
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in page.lines)
    note = f'<p class="note">{html.escape(page.note)}</p>' if page.note else ""
    title = html.escape(page.title)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_asset('page.css')}{_colour_rules(page.vocabulary)}"
        f'</style><style id="hidden"></style></head><body><header><h1>{title}</h1>{lines}{note}'
        f"</header>{_controls(page.vocabulary)}<main>\n"
    )


def _controls(vocabulary: Vocabulary) -> str:
    concepts = "".join(
        f'<label class="concept"><input type="checkbox" value="{label - 1}" checked>'
        f'<i class="swatch c{label - 1}"></i>{html.escape(vocabulary.names[label - 1])}</label>'
        for label in vocabulary.labels
    )
    return (
        f'<nav>{concepts}<button id="all">all / none</button><span class="space"></span>'
        '<label>fill <input id="fill" type="range" min="0" max="75" value="45"></label>'
        '<label><input id="bare" type="checkbox"> pictures only</label>'
        '<select id="order" aria-label="order"><option value="name">by name</option>'
        '<option value="unsure">least sure first</option>'
        '<option value="regions">most regions first</option></select></nav>'
    )


def _card(sheet: Sheet, number: int, longest_side: int, classes: Mapping[str, str]) -> str:
    image = sheet.image
    shown = shown_size(image.size, longest_side)
    pixels = sheet.pixels
    if pixels is None:
        pixels = np.full((shown.height, shown.width, 3), _PAPER, np.uint8)
    shares = [share for share in concept_shares(image) if share.regions]
    sure = _confidence(shares)
    name = html.escape(image.name)
    note = f'<p class="empty">{html.escape(sheet.note)}</p>' if sheet.note else ""
    chips = (
        "".join(_chip(share, classes.get(share.name, "other")) for share in shares)
        or "<em>nothing labelled</em>"
    )
    return (
        f'<article data-number="{number}" data-sure="{1.0 if sure is None else sure:.4f}" '
        f'data-regions="{len(image.regions)}"><button class="stage" aria-label="enlarge {name}">'
        f'<img src="{jpeg_address(pixels, shown)}" alt="{name}" width="{shown.width}" '
        f'height="{shown.height}"><svg viewBox="0 0 {shown.width} {shown.height}">'
        f'{region_paths(image, shown, classes)}</svg></button><div class="text"><h2>{name} '
        f"<small>{image.size} · {_counted(len(image.regions), 'region')}</small></h2>"
        f'<div class="chips">{chips}</div>{note}</div></article>\n'
    )


def _chip(share: ConceptShare, group: str) -> str:
    sure = "" if share.confidence is None else f" · {share.confidence:.2f} sure"
    return (
        f'<span><i class="swatch {group}"></i>{html.escape(share.name)} '
        f"<small>{share.share:.1%}{sure}</small></span>"
    )


def _confidence(shares: list[ConceptShare]) -> float | None:
    sure = [(one.share, one.confidence) for one in shares if one.confidence is not None]
    weight = sum(share for share, _ in sure)
    return sum(share * confidence for share, confidence in sure) / weight if weight else None


def _colour_rules(vocabulary: Vocabulary) -> str:
    return "".join(
        f".c{number}{{fill:{_hex(colour)};stroke:{_hex(colour)};background:{_hex(colour)}}}"
        for number, colour in enumerate(vocabulary.colours)
    )


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _asset(name: str) -> str:
    return resources.files("ovseg_annotate.overlay").joinpath(name).read_text(encoding="utf-8")
