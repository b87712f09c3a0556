"""The last lines of a run: what its rows say, as a table that fits the terminal."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import suppress

from rich.cells import cell_len, set_cell_size

from invert.errors import plain
from invert.report import LayerRow, Record, Report

KEPT = ("kept.luminance", "kept.colour", "edges_kept")
"""The main facets, in the order of their columns."""
ROW_HEADS = ("layer", "prior", "error", "matched", "kept: luminance", "colour", "outlines")
DRAWN_HEADS = ("drawn", "prior", "seed", "score", "probability", "judge")
MOST = 30
"""Lines of classes and units that are shown; a sweep over a thousand classes has its table in a file."""
FEW = 4
"""Photos from which the best and worst are named; fewer have their numbers side by side on the page."""
NAME = 24
"""Columns that a name is cut to at a terminal which is too narrow for all of it; its end tells more."""


def show_rows(report: Report, to_error: bool = False) -> None:
    """Print what the layers keep and what was drawn, on standard output or standard error."""
    stream = sys.stderr if to_error else sys.stdout
    width = shutil.get_terminal_size().columns if stream.isatty() else None
    with suppress(BrokenPipeError):
        for line in lines(report, width):
            print(line, file=stream)


def lines(report: Report, width: int | None = None) -> Iterator[str]:
    """The lines of the tables, none longer than `width`; without one, as in a pipe, nothing is cut."""
    if report.layers:
        cells = [_row(row) for row in report.layers]
        head, *body = _aligned([ROW_HEADS, *cells], left=2, width=width)
        yield head
        names = {photo.id: photo.name for photo in report.images}
        for row, line in zip(report.layers, body, strict=True):
            yield line
            yield from _sentence(row, width)
            if row.ranking is not None and len(row.by_photo) > FEW:
                best, worst = (
                    ", ".join(names.get(photo, photo) for photo in photos)
                    for photos in (row.ranking.best, row.ranking.worst)
                )
                yield from _wrapped(f"best: {best}; worst: {worst} (by {row.ranking.by})", width, indent="  ")
    drawn = [run for run in report.runs if run.objective != "feature" and run.error is None]
    if drawn:
        shown = [_drawn(run) for run in drawn[:MOST]]
        empty = [n for n in range(3, len(DRAWN_HEADS)) if all(cells[n] == "–" for cells in shown)]
        table = [[c for n, c in enumerate(row) if n not in empty] for row in (DRAWN_HEADS, *shown)]
        yield from _aligned(table, left=2, width=width)
        if len(drawn) > MOST:
            yield f"… and {len(drawn) - MOST} more in runs.csv"
    if any("cycles per image" in (row.reading or "") for row in report.layers):
        yield from _wrapped(
            "n cycles per image: detail that repeats n times across it; few are large shapes", width
        )
    if any(row.seeds == 1 for row in report.layers):
        yield from _wrapped("one seed cannot tell what is kept from what is made up: add --seeds 2", width)


def share(value: float | None) -> str:
    """A share as people read it, 0 to 100 %: estimates may lie a little outside."""
    return "–" if value is None else f"{round(100 * min(max(value, 0.0), 1.0))} %"


def probability(value: float | None) -> str:
    """A percentage that does not round to certainty or to nothing."""
    if value is not None and 0 < value < 0.005:
        return "<1 %"
    return ">99 %" if value is not None and 0.995 < value < 1 else share(value)


def _row(row: LayerRow) -> list[str]:
    match = row.match
    error = row.measures.get("feature_error") if match is None else match.error
    # What is kept cannot be read where the layer was not matched.
    readable = match is None or match.enough
    kept = [share(row.measures.get(name) if readable else None) for name in KEPT]
    return [row.layer, row.prior, _number(error), _matched(row), *kept]


def _matched(row: LayerRow) -> str:
    if row.match is None:
        return "–"
    return f"{'yes' if row.match.enough else 'no'}, {row.match.in_short}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}".replace("-", "−")


def _sentence(row: LayerRow, width: int | None) -> Iterator[str]:
    told = f"could not be measured: {row.error}" if row.error else row.reading
    if told:
        yield from _wrapped(told, width, indent="  ")


def _wrapped(text: str, width: int | None, indent: str = "") -> list[str]:
    text = plain(text)
    if width is None:
        return [indent + text]
    return textwrap.wrap(text, max(width - 1, 20), initial_indent=indent, subsequent_indent=indent)


def _drawn(run: Record) -> list[str]:
    name = f"{run.layer}:{run.target}" if run.layer else run.target or run.objective
    rank, judge = run.measures.get("judge_rank"), run.measures.get("judge_probability")
    judged = "–" if rank is None else f"rank {rank:.0f}, {probability(judge)}"
    score = _number(run.measures.get("target_score"))
    return [
        name, run.prior, str(run.seed), score, probability(run.measures.get("target_probability")), judged,
    ]  # fmt: skip


def _aligned(table: Sequence[Sequence[str]], left: int, width: int | None) -> Iterator[str]:
    """Columns two blanks apart, the first `left` of them to the left; names give way to a narrow terminal."""
    cells = [[plain(cell) for cell in row] for row in table]
    wide = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    if width is not None and (over := sum(wide) + 2 * (len(wide) - 1) - (width - 1)) > 0:
        wide[0] = max(wide[0] - over, min(wide[0], NAME // 2))
    for row in cells:
        aligned = [
            _left(cell, size) if n < left else " " * max(size - cell_len(cell), 0) + cell
            for n, (cell, size) in enumerate(zip(row, wide, strict=True))
        ]
        yield "  ".join(aligned).rstrip()


def _left(cell: str, size: int) -> str:
    while cell_len(cell) > size:
        cell = "…" + cell.lstrip("…")[1:]
    return set_cell_size(cell, size)
