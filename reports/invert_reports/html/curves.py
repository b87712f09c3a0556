"""A number against the steps of some runs as inline SVG, with where each ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from invert_reports.html.numbers import short

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 230, 48, 16, 14, 34
LOWEST = 0.02
"""Of the values of a linear curve, so many at the beginning may lie below what is drawn."""


@dataclass(frozen=True)
class Curve:
    """A run: pairs of step and value, and the step whose picture was kept."""

    name: str
    points: Sequence[tuple[int, float]]
    kept: int | None
    why: str


def curve(runs: Sequence[Curve], title: str, unit: str, log: bool = False) -> Markup:
    """The runs of one prior; a vertical line where a run's picture is from."""
    last = max(step for run in runs for step, _ in run.points)
    values = [math.log10(max(value, 1e-12)) if log else value for run in runs for _, value in run.points]
    high = max(values)
    low = min(values) if log else max(min(values), sorted(values)[int(LOWEST * len(values))], high - 20)
    room = max(high - low, 0.5 if not log else 0.1)
    low, high = high - 1.05 * room, high + 0.05 * room

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / max(last, 1)

    def y(value: float) -> float:
        at = math.log10(max(value, 1e-12)) if log else value
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(max((at - low) / (high - low), 0.0), 1.0))

    parts = [_grid(y, low, high, log, unit)]
    parts += [
        f'<text class="tick" x="{x(step):.1f}" y="{HEIGHT - 14}" text-anchor="middle">{told}</text>'
        for step, told in ((0, "0"), (last / 2, f"{last / 2:,.0f}"), (last, f"{last:,} steps"))
        if step != last
    ]
    parts.append(
        f'<text class="tick" x="{WIDTH - RIGHT}" y="{HEIGHT - 14}" text-anchor="end">{last:,} steps</text>'
    )
    for n, run in enumerate(runs):
        path = "".join(
            f"{'L' if i else 'M'}{x(step):.1f} {y(value):.1f}" for i, (step, value) in enumerate(run.points)
        )
        parts.append(f'<path class="line s{n % 6}" d="{path}"/>')
        if run.kept:
            told = f"{run.name}: step {run.kept}, {run.why}"
            parts.append(
                f'<line class="stop s{n % 6}" x1="{x(run.kept):.1f}" x2="{x(run.kept):.1f}" y1="{TOP}" '
                f'y2="{HEIGHT - BOTTOM}"><title>{escape(told)}</title></line>'
            )
    spoken = "; ".join(f"{run.name}: {_spoken(run, unit)}" for run in runs)
    label = escape(f"{title} over {last} steps. {spoken}.")
    head = f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
    return Markup(f"{head}{''.join(parts)}</svg>")


def _spoken(run: Curve, unit: str) -> str:
    best_step, best = max(run.points, key=lambda point: point[1])
    at = min(run.points, key=lambda point: abs(point[0] - (run.kept or run.points[-1][0])))
    ended = f"kept step {run.kept}, {short(at[1])} {unit}".strip()
    return f"{ended}; highest {short(best)} {unit} at step {best_step}" if unit else ended


def _grid(y: object, low: float, high: float, log: bool, unit: str) -> str:
    height = y if callable(y) else None
    assert height is not None
    if log:
        ticks = [10.0**power for power in range(math.ceil(low), math.floor(high) + 1)] or [10.0**low]
    else:
        rough = (high - low) / 4
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * s for s in (1, 2, 5, 10) if power * s >= rough * 0.999)
        ticks = [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)]
    parts = []
    for n, tick in enumerate(reversed(ticks)):
        at = height(tick)
        told = f"{short(tick)} {unit}" if unit and n == 0 else short(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{escape(told)}</text>'
        )
    return "".join(parts)
