"""The reliability plot: how often a suggestion is right, against how sure it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ovseg_annotate.evaluation.scores import Bin

_SIDE = 200  # units of the plot
_SHARES = 36  # height of the bars below it, which say where the pixels are
_GAP = 10
_LEFT, _BELOW, _ABOVE = 44, 32, 12  # room for the numbers and the words
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def reliability_plot(bins: tuple[Bin, ...]) -> str:
    """An SVG that takes its colours from the page; empty when there are no bins."""
    if not bins:
        return ""
    width, height = _LEFT + _SIDE + _ABOVE, _ABOVE + _SIDE + _GAP + _SHARES + _BELOW
    return (
        f'<svg viewBox="{-_LEFT} {-_ABOVE} {width} {height}" role="img" '
        'aria-label="share of right pixels against confidence">'
        f'<rect class="field" width="{_SIDE}" height="{_SIDE}"/>{"".join(_ticks())}'
        f"{''.join(_bars(bins))}"
        f'<path class="ideal" d="M0 {_SIDE}L{_SIDE} 0"/>{"".join(_shares(bins))}'
        f'<text x="{_SIDE / 2}" y="{height - _ABOVE - 4}">confidence</text>'
        f'<text transform="translate({12 - _LEFT} {_SIDE / 2})rotate(-90)">share right</text></svg>'
    )


def _ticks() -> Iterator[str]:
    below = _SIDE + _GAP + _SHARES
    for value in _TICKS:
        along = _SIDE * value
        yield f'<line x1="0" x2="{_SIDE}" y1="{along:g}" y2="{along:g}"/>'
        yield f'<text class="left" x="-5" y="{_SIDE - along + 4:g}">{value:g}</text>'
        yield f'<text x="{along:g}" y="{below + 13}">{value:g}</text>'


def _bars(bins: Iterable[Bin]) -> Iterator[str]:
    """Up to the lower of how often it is right and how sure it is; then how far they part."""
    for each in bins:
        told = (
            f"<title>{each.confidence:.3f} sure, {each.right:.3f} right, "
            f"{each.pixels} pixels</title>"
        )
        low, high = sorted((each.right, each.confidence))
        off = "over" if each.confidence > each.right else "under"
        yield f"<g>{told}{_bar('right', each, 0, low)}{_bar(off, each, low, high)}</g>"


def _bar(name: str, place: Bin, low: float, high: float) -> str:
    left, right = _SIDE * place.low, _SIDE * place.high
    return (
        f'<rect class="{name}" x="{left + 0.5:.1f}" y="{_SIDE * (1 - high):.1f}" '
        f'width="{right - left - 1:.1f}" height="{_SIDE * (high - low):.1f}"/>'
    )


def _shares(bins: tuple[Bin, ...]) -> Iterator[str]:
    """Where the pixels are; the highest bar is the fullest bin."""
    most = max(each.pixels for each in bins)
    foot = _SIDE + _GAP + _SHARES
    for each in bins:
        height = _SHARES * each.pixels / most
        yield (
            f'<rect class="share" x="{_SIDE * each.low + 0.5:.1f}" y="{foot - height:.1f}" '
            f'width="{_SIDE * (each.high - each.low) - 1:.1f}" height="{height:.1f}"/>'
        )
    yield f'<line x1="0" x2="{_SIDE}" y1="{foot}" y2="{foot}"/>'
