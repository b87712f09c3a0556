"""How far a run is and how long it will take: a bar at a terminal or in a notebook, else plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from invert.engine.optimisation import Event, Started, Step
from invert.errors import plain

EVERY = 10.0
"""Seconds between two plain lines."""


class Clock:
    """How much of `total` is done, and the time left if the rest takes as long."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.first: float | None = None
        self.began = time.monotonic()

    def left(self, done: float) -> str:
        if self.first is None:
            # What is done by then took another time: cells found finished by --resume none, first steps more.
            self.first, self.began = done, time.monotonic()
        worked, elapsed = done - self.first, time.monotonic() - self.began
        if worked <= 0 or elapsed < 1:
            return "…"
        return duration(elapsed / worked * (self.total - done))


def duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def show(events: Iterable[Event], what: str) -> Iterator[Event]:
    """Pass the events of one optimisation on, showing on standard error how far it is."""
    console = Console(stderr=True)
    return (_bar if console.is_terminal or console.is_jupyter else _lines)(events, plain(what, 60), console)


def _bar(events: Iterable[Event], what: str, console: Console) -> Iterator[Event]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[left]} left"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=None, left="…")
        for event, steps, left in _timed(events):
            if isinstance(event, Step) and left:
                told = f"{what}  step {event.step}/{steps}  loss {_loss(event)}"
                progress.update(task, description=told, total=steps, completed=event.step, left=left)
            yield event


def _lines(events: Iterable[Event], what: str, console: Console) -> Iterator[Event]:
    said = time.monotonic()
    for event, steps, left in _timed(events):
        if isinstance(event, Step) and left and (event.step == steps or time.monotonic() - said >= EVERY):
            said = time.monotonic()
            more = f", {left} left" if event.step < steps else ""
            with suppress(BrokenPipeError):
                print(
                    f"{what}: step {event.step}/{steps}, loss {_loss(event)}{more}",
                    file=sys.stderr,
                    flush=True,
                )
        yield event


def _timed(events: Iterable[Event]) -> Iterator[tuple[Event, int, str]]:
    """Each event, the steps there are, and the time left; that is empty where a look would cost time."""
    clock = Clock(0)
    for event in events:
        if isinstance(event, Started):
            clock = Clock(event.steps)
        looked = isinstance(event, Step) and (event.settled or event.step == clock.total)
        yield event, clock.total, clock.left(event.step) if looked and isinstance(event, Step) else ""


def _loss(event: Step) -> str:
    return f"{float(event.loss[0]):.4g}"
