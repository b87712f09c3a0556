"""Progress with the time left: a live bar at a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from invert.cli.terminal import tell
from invert.errors import plain
from invert.measures.matched import told
from invert.progress import Clock, duration
from invert.sweeps.cells import Cell
from invert.sweeps.sweep import GroupStarted, Notice, PassStarted, PhotosScored, SweepEvent
from invert.sweeps.worker import CellFinished, GroupStep

NAME = 120
"""Characters of a cell's name at most: progress is one line."""


def show(events: Iterable[SweepEvent], cells: int, quiet: bool) -> Iterator[SweepEvent]:
    """Pass the events of a sweep of `cells` cells on, showing them on standard error."""
    if quiet:
        yield from _notices(events)
    elif sys.stderr.isatty():
        yield from _bar(events, cells)
    else:
        yield from _lines(events, cells)


def _bar(events: Iterable[SweepEvent], cells: int) -> Iterator[SweepEvent]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[left]} left"),
    )
    clock = Clock(cells)
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("starting", total=cells, left="…")
        index = 0
        for event in events:
            if isinstance(event, PassStarted):
                cells, clock = event.cells, Clock(event.cells)
                progress.reset(task, total=cells)
                progress.console.print(f"invert: {event.text}", markup=False, highlight=False)
            elif isinstance(event, PhotosScored):
                progress.update(task, description=f"photo {event.done} of {event.total}")
            elif isinstance(event, GroupStarted):
                index = event.index
                clock.left(index)
            elif isinstance(event, GroupStep):
                cell, together = event.cells[0], len(event.cells)
                more = f" and {together - 1} more" if together > 1 else ""
                done = index + together * event.step / event.steps
                progress.update(
                    task,
                    description=f"{index + 1}/{cells} {title(cell)}{more}  step {event.step}/{event.steps}"
                    f"  {loss_name(cell)} {event.loss:.4g}",
                    completed=done,
                    left=clock.left(done),
                )
            elif isinstance(event, Notice):
                progress.console.print(f"invert: {event.text}", markup=False, highlight=False)
            elif isinstance(event, CellFinished):
                progress.console.print(finished(event), markup=False, highlight=False, emoji=False)
            yield event


def _notices(events: Iterable[SweepEvent]) -> Iterator[SweepEvent]:
    for event in events:
        if isinstance(event, Notice):
            tell(event.text)
        yield event


def _lines(events: Iterable[SweepEvent], cells: int) -> Iterator[SweepEvent]:
    clock = Clock(cells)
    index = 0
    for event in _notices(events):
        if isinstance(event, GroupStarted):
            index = event.index
            clock.left(index)
        elif isinstance(event, PassStarted):
            tell(event.text)
            index, cells, clock = 0, event.cells, Clock(event.cells)
        elif isinstance(event, CellFinished):
            index += 1
            left = f", {clock.left(index)} left" if index < cells else ""
            with suppress(BrokenPipeError):  # nobody reads any more: no reason to stop working
                print(f"[{index}/{cells}] {finished(event)}{left}", file=sys.stderr, flush=True)
        yield event


def title(cell: Cell) -> str:
    what = cell.layer if cell.photo else f"{cell.layer}:{cell.target}" if cell.layer else cell.target
    photo = f" {cell.photo}" if cell.photo else ""
    control = f", {cell.control}" if cell.control else ""
    return plain(f"{what} {cell.prior}{photo} seed {cell.seed}{control}", NAME)


def loss_name(cell: Cell) -> str:
    return "feature error" if cell.objective == "feature" else "loss"


def finished(event: CellFinished) -> str:
    record = event.record
    if record.error is not None:
        return f"{title(event.cell)}: failed: {plain(record.error)}"
    error = record.feature_error
    score = "" if error is None else f"feature error {error:.4g}, "
    score += f"{told(record.match)}, " if record.match else ""
    missed = ", did not reach --until" if record.reached is False else ""
    return f"{title(event.cell)}: {score}{record.steps} steps, {duration(record.seconds)}{missed}"
