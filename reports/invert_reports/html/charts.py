"""The page's charts as inline SVG: small panels of lines against depth, and stacked bars of shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

from invert_reports.html.numbers import SHARES, clipped, share, short

WIDTH, TOP, LEFT, RIGHT, PLOT = 230, 9, 36, 8, 112
LETTER, LINE = 7.7, 17.0
"""How wide a letter of an axis is and how far its lines lie apart, where they are largest: on a phone."""
BAR = '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
MARKERS = ("circle", "square", "triangle", "diamond", "cross")


@dataclass(frozen=True)
class Series:
    """One line: a value a layer (None: no number), its spread, and single runs as faint dots."""

    name: str
    values: Sequence[float | None]
    spread: Sequence[float | None] = ()
    dots: Sequence[Sequence[float]] = ()


@dataclass(frozen=True)
class Panel:
    """One chart of a number against depth."""

    title: str
    layers: Sequence[str]
    series: Sequence[Series]
    note: str = ""
    hint: str = ""
    limits: tuple[float | None, float | None] = (None, None)
    log: bool = False
    share: bool = False

    def text(self, value: float) -> str:
        return share(value) if self.share else short(value)


@dataclass
class Scale:
    """Values to heights: linear, or logarithmic over whole decades."""

    low: float
    high: float
    log: bool
    ticks: list[float] = field(default_factory=list)

    def height(self, value: float) -> float:
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        share = (at - low) / (high - low)
        return TOP + PLOT * (1 - min(max(share, 0.0), 1.0))


def lines(panel: Panel) -> Markup:
    """A panel as SVG: a line a prior over the layers, told apart by colour, dash and marker."""
    scale = _scale(panel)
    count = len(panel.layers)
    step = (WIDTH - LEFT - RIGHT - 16) / max(count - 1, 1)
    xs = [LEFT + 8 + n * step for n in range(count)] if count > 1 else [(LEFT + WIDTH - RIGHT) / 2]
    # Long names are turned; short ones that fit stay level, which reads better.
    names = [_shorten(name) for name in panel.layers]
    widest = LETTER * max(map(len, names), default=0)
    turned = widest > 0.8 * step and count > 1
    every = math.ceil(LINE / step) if turned else 1
    bottom = TOP + PLOT
    height = bottom + (14 + 0.9 * widest if turned else 22)

    parts = []
    for tick in scale.ticks:
        y = scale.height(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 5}" y="{y + 3.4:.1f}" text-anchor="end">')
        parts.append(f"{escape(_tick(panel, tick))}</text>")
    for n, (x, name, whole) in enumerate(zip(xs, names, panel.layers, strict=True)):
        if (count - 1 - n) % every:
            continue  # the deepest has its name, and so many before it that none touch
        half = LETTER * len(name) / 2
        at = x + 3 if turned else min(max(x, half), WIDTH - half)
        turn = f' transform="rotate(-60 {at:.1f} {bottom + 13})" text-anchor="end"'
        level = ' text-anchor="middle"'
        parts.append(
            f'<text class="tick" x="{at:.1f}" y="{bottom + (13 if turned else 15)}"'
            f"{turn if turned else level}>{escape(name)}<title>{escape(whole)}</title></text>"
        )
    for n, series in enumerate(panel.series):
        parts.extend(_series(panel, scale, xs, series, n))
    label = escape(_spoken(panel))
    return Markup(
        f'<svg class="panel" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def marker(index: int) -> Markup:
    """The legend's sample of a series: its dash and its marker."""
    return Markup(
        f'<svg class="sample" viewBox="0 0 30 12" aria-hidden="true"><path class="line s{index % 6}" '
        f'd="M1 6H29"/>{_mark(15, 6, index)}</svg>'
    )


def stacked(shares: Sequence[float | None], floor: float | None = None) -> Markup:
    """Kept, invented and free as one bar, with a tick at the floor; the numbers stand beside it as text."""
    known = [max(0.0, part or 0.0) for part in shares]
    total = sum(known)
    if total <= 0:
        return Markup(f"{BAR}</svg>")
    x, parts = 0.0, []
    for name, part in zip(SHARES, known, strict=True):
        width = 100 * part / total
        parts.append(f'<rect class="{name}" x="{x:.2f}" y="0" width="{width:.2f}" height="8"/>')
        x += width
    if floor is not None:
        parts.append(f'<path class="floor" d="M{100 * clipped(floor):.2f} 0V8"/>')
    return Markup(f"{BAR}{''.join(parts)}</svg>")


def _series(panel: Panel, scale: Scale, xs: Sequence[float], series: Series, index: int) -> list[str]:
    parts = []
    style = f"s{index % 6}"
    for x, dots in zip(xs, series.dots, strict=False):
        ys = [scale.height(value) for value in dots]
        parts += [f'<circle class="dot {style}" cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for y in ys]
    for x, value, spread in zip(xs, series.values, series.spread, strict=False):
        if value is not None and spread:
            high, low = scale.height(value + spread), scale.height(value - spread)
            parts.append(f'<path class="whisker {style}" d="M{x:.1f} {high:.1f}V{low:.1f}"/>')
    points = [(x, None if v is None else scale.height(v)) for x, v in zip(xs, series.values, strict=True)]
    path, pen = "", "M"
    for x, y in points:
        path += "" if y is None else f"{pen}{x:.1f} {y:.1f}"
        pen = "M" if y is None else "L"
    parts.append(f'<path class="line {style}" d="{path}"/>' if path else "")
    for (x, y), value, layer in zip(points, series.values, panel.layers, strict=True):
        if y is not None and value is not None:
            title = escape(f"{layer}, {series.name}: {panel.text(value)}")
            parts.append(f"<g>{_mark(x, y, index)}<title>{title}</title></g>")
    return parts


def _mark(x: float, y: float, index: int) -> str:
    style = f'class="mark s{index % 6}"'
    shape = MARKERS[index % len(MARKERS)]
    if shape == "circle":
        return f'<circle {style} cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>'
    if shape == "square":
        return f'<rect {style} x="{x - 2.9:.1f}" y="{y - 2.9:.1f}" width="5.8" height="5.8"/>'
    if shape == "triangle":
        return f'<path {style} d="M{x:.1f} {y - 3.9:.1f}l3.7 6.6h-7.4z"/>'
    if shape == "diamond":
        return f'<path {style} d="M{x:.1f} {y - 4.2:.1f}l4 4.2l-4 4.2l-4 -4.2z"/>'
    return f'<path {style} d="M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6"/>'


def _scale(panel: Panel) -> Scale:
    values = [v for s in panel.series for v in s.values if v is not None]
    values += [v for s in panel.series for dots in s.dots for v in dots]
    if panel.share:
        return Scale(0, 1, False, [0, 0.5, 1])
    if panel.log and any(v > 0 for v in values):
        positive = [v for v in values if v > 0]
        first = math.floor(math.log10(min(positive)))
        last = max(math.ceil(math.log10(max(positive))), first + 1)
        every = max(1, math.ceil((last - first) / 4))
        return Scale(10.0**first, 10.0**last, True, [10.0**e for e in range(first, last + 1, every)])
    if panel.limits == (0, 1) and all(0 <= v <= 1 for v in values):
        return Scale(0, 1, False, [0, 0.5, 1])
    low, high = min([0.0, *values]), max(values, default=1.0)
    stride = _round_step((high - low or abs(high) or 1.0) / 3)
    first, last = math.floor(low / stride), math.ceil(high / stride)
    last = max(last, first + 1)
    return Scale(first * stride, last * stride, False, [n * stride for n in range(first, last + 1)])


def _round_step(rough: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= rough * 0.999)


def _tick(panel: Panel, value: float) -> str:
    if panel.share:
        return f"{100 * value:.0f}%"
    if panel.log:
        exponent = round(math.log10(value))
        return f"{value:g}" if -3 <= exponent <= 3 else f"1e{exponent}".replace("-", "−")
    return f"{round(value, 12):g}".replace("-", "−")


def _shorten(name: str, most: int = 13) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _spoken(panel: Panel) -> str:
    """What a screen reader says of the panel: every number in it."""
    told = [f"{panel.title}, by layer from shallow to deep."]
    for series in panel.series:
        pairs = zip(panel.layers, series.values, strict=True)
        numbers = [f"{layer} {panel.text(v)}" for layer, v in pairs if v is not None]
        told.append(f"{series.name}: {', '.join(numbers) if numbers else 'no numbers'}.")
    return " ".join(told)
