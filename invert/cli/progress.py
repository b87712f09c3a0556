"""Progress with the time left: a live bar at a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from invert.cli.terminal import tell
from invert.errors import plain
from invert.measures.matched import told
from invert.progress import duration
from invert.sweeps.cells import Cell
from invert.sweeps.forecast import TimeLeft
from invert.sweeps.sweep import GroupStarted, Notice, PassStarted, PhotosScored, Planned, SweepEvent, Told
from invert.sweeps.worker import CellFinished, GroupStep, steps_of

EVERY = 30.0
"""Seconds after which a line says what is at work, where no cell has come to its end."""
NAME = 120
"""Characters of a cell's name at most: progress is one line."""


class Standing:
    """How far a sweep is, from its events: what is done, what is at work, and the time left."""

    def __init__(self, cells: int) -> None:
        self.total, self.done = cells, 0
        self.at_work: dict[str, GroupStep] = {}
        self._open: dict[str, set[str]] = {}
        self._time = TimeLeft(())

    def take(self, event: SweepEvent) -> None:
        if isinstance(event, PassStarted):
            self.__init__(event.cells)  # type: ignore[misc]
        elif isinstance(event, Planned):
            self.done = self.total - len(event.cells)
            self._time = TimeLeft(((c, steps_of(c)) for c in event.cells), event.jobs, event.tried)
        elif isinstance(event, GroupStarted):
            first = event.cells[0]
            self._time.ended(event.cells)  # where it was begun before, by a worker that is lost
            self.at_work[first.id] = GroupStep(event.cells, 0, steps_of(first), math.nan)
            self._open[first.id] = {cell.id for cell in event.cells}
        elif isinstance(event, GroupStep):
            self._time.stepped(event.cells, event.step)
            if (group := self._group_of(event.cells)) is not None:
                self.at_work[group] = event
        elif isinstance(event, CellFinished):
            self.done += 1
            self._time.finished(event.cell, event.record.steps)
            if (group := self._group_of([event.cell])) is not None:
                self._open[group].discard(event.cell.id)
                if not self._open[group]:
                    del self._open[group]
                    self._time.ended(self.at_work.pop(group).cells)

    def _group_of(self, cells: Sequence[Cell]) -> str | None:
        """The group in work that some of these cells are of; its name is that of its first to be done."""
        ids = {cell.id for cell in cells}
        return next((name for name, of in self._open.items() if ids & of), None)

    @property
    def part(self) -> float:
        """Cells that are done, and shares of those in work."""
        return self.done + sum(len(self._open[n]) * g.step / g.steps for n, g in self.at_work.items())

    def planned(self, event: Planned) -> str:
        """What is to come, where it is so much that one wants to know; else empty."""
        left = f", {self.left}" if self.left else ""
        return (
            f"{len(event.cells):,} cells, {event.jobs} at a time{left}"
            if event.cells and (event.jobs > 1 or event.tried)
            else ""
        )

    @property
    def left(self) -> str:
        """The time left; empty where nothing is known of it."""
        seconds = self._time.seconds()
        return "" if seconds is None else f"{duration(seconds)} left"


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
        TextColumn("{task.fields[left]}", markup=False),
    )
    standing = Standing(cells)
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        whole = progress.add_task("starting", total=cells, left="…")
        groups: dict[str, TaskID] = {}
        for event in events:
            standing.take(event)
            if isinstance(event, PhotosScored):
                progress.update(whole, description=f"photo {event.done} of {event.total}")
            elif isinstance(event, Notice | Told | PassStarted):
                progress.console.print(f"invert: {event.text}", markup=False, highlight=False)
            elif isinstance(event, Planned) and (plan := standing.planned(event)):
                progress.console.print(f"invert: {plan}", markup=False, highlight=False)
            elif isinstance(event, CellFinished):
                progress.console.print(finished(event), markup=False, highlight=False, emoji=False)
            if not isinstance(event, PhotosScored):
                told = f"{standing.done} of {standing.total}"
                left = standing.left or "…"
                progress.update(
                    whole, description=told, total=standing.total, completed=standing.part, left=left
                )
            for name in groups.keys() - standing.at_work.keys():
                progress.remove_task(groups.pop(name))
            for name, step in standing.at_work.items():
                if name not in groups:
                    groups[name] = progress.add_task("", left="")
                if step.cells is getattr(event, "cells", None) or not step.step:
                    progress.update(groups[name], description=at(step), total=step.steps, completed=step.step)
            yield event


def _notices(events: Iterable[SweepEvent]) -> Iterator[SweepEvent]:
    for event in events:
        if isinstance(event, Notice):
            tell(event.text)
        yield event


def _lines(events: Iterable[SweepEvent], cells: int) -> Iterator[SweepEvent]:
    standing, said = Standing(cells), time.monotonic()
    for event in _notices(events):
        standing.take(event)
        if isinstance(event, PassStarted | Told):
            tell(event.text)
        elif isinstance(event, Planned) and (plan := standing.planned(event)):
            tell(plan)
        elif isinstance(event, CellFinished):
            left = f", {standing.left}" if standing.done < standing.total and standing.left else ""
            _say(f"[{standing.done}/{standing.total}] {finished(event)}{left}")
            said = time.monotonic()
        elif isinstance(event, GroupStep) and time.monotonic() - said > EVERY:
            working = "; ".join(map(at, standing.at_work.values()))
            _say(
                f"[{standing.done}/{standing.total}] {working}{', ' if standing.left else ''}{standing.left}"
            )
            said = time.monotonic()
        yield event


def _say(line: str) -> None:
    with suppress(BrokenPipeError):  # nobody reads any more: no reason to stop working
        print(line, file=sys.stderr, flush=True)


def at(step: GroupStep) -> str:
    """What is at work, and how far it is."""
    cell, together = step.cells[0], len(step.cells)
    more = f" and {together - 1} more" if together > 1 else ""
    loss = "" if math.isnan(step.loss) else f"  {loss_name(cell)} {step.loss:.4g}"
    return f"{title(cell)}{more}  step {step.step}/{step.steps}{loss}"


def title(cell: Cell) -> str:
    what = cell.layer if cell.photo else f"{cell.layer}:{cell.target}" if cell.layer else cell.target
    photo = f" {cell.photo}" if cell.photo else ""
    control = f", {cell.control}" if cell.control else ""
    return plain(f"{what} {cell.prior}{photo} seed {cell.seed}{control}", NAME)


def loss_name(cell: Cell) -> str:
    return "feature error" if cell.objective == "feature" and cell.posed is None else "loss"


def finished(event: CellFinished) -> str:
    record = event.record
    if record.error is not None:
        return f"{title(event.cell)}: failed: {plain(record.error)}"
    error = record.feature_error
    score = "" if error is None else f"feature error {error:.4g}, "
    score += f"{told(record.match)}, " if record.match else ""
    psnr = record.measures.get("psnr") if record.objective == "restoration" else None
    score += "" if psnr is None else f"PSNR {psnr:.2f} dB, "
    missed = ", did not reach --until" if record.reached is False else ""
    return f"{title(event.cell)}: {score}{record.steps} steps, {duration(record.seconds)}{missed}"
