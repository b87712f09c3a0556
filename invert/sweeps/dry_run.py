"""What a study would take, before it is begun: time, memory and disk. Nothing is written."""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invert.errors import plain
from invert.progress import duration
from invert.sweeps.cells import Cell, groups
from invert.sweeps.executors import jobs_for
from invert.sweeps.forecast import Kind, TimeLeft, kind_of
from invert.sweeps.machine import threads
from invert.sweeps.sweep import Sweep
from invert.sweeps.worker import SNAPSHOTS, steps_of

A_STEP, A_RECORD = 45, 8_000
"""Bytes of a trace for each step, and of a record in its own file, in the report and on a page."""
PAGE = 10_000_000
MOST = 40
"""Kinds of cells that are told one by one."""


@dataclass(frozen=True)
class Plan:
    """Cells that are to be worked on, by kind: how many, of how many steps, the seconds a step of each."""

    cells: int
    there: int
    steps: int
    kinds: dict[Kind, tuple[int, int, float | None]]
    jobs: int
    threads: int
    device: str
    seconds: float | None
    memory: int
    disk: int

    def as_json(self) -> dict[str, Any]:
        kinds = [
            {
                "objective": kind[0], "layer": kind[1], "prior": kind[2], "control": kind[3] or None,
                "cells": cells, "steps": steps, "seconds_a_step": seconds,
            }
            for kind, (cells, steps, seconds) in self.kinds.items()
        ]  # fmt: skip
        rest = {name: value for name, value in vars(self).items() if name != "kinds"}
        return {**rest, "kinds": kinds}

    def lines(self) -> Iterator[str]:
        there = f", {self.there:,} of them are there" if self.there else ""
        yield f"{self.cells:,} cells{there}; {self.steps:,} steps to do"
        workers = f"{self.jobs} workers" if self.jobs > 1 else "in this process"
        yield f"on {self.device}, {workers}, {self.threads} thread{'s' * (self.threads > 1)} each"
        for kind, (cells, steps, seconds) in list(self.kinds.items())[:MOST]:
            name = " ".join(part for part in kind[1:] if part) or kind[0]
            rate = "not tried" if seconds is None else f"{1000 * seconds:.3g} ms a step"
            yield f"{plain(name, 80)}: {cells:,} × {steps // max(cells, 1):,} steps, {rate}"
        if len(self.kinds) > MOST:
            yield f"and {len(self.kinds) - MOST} more kinds"
        time = "unknown" if self.seconds is None else f"at most about {duration(self.seconds)}"
        yield f"time {time}; memory about {_size(self.memory)}; disk at most {_size(self.disk)}"


def plan_of(sweep: Sweep, out: Path) -> Plan:
    """The plan of a sweep into `out`; each kind of cell is tried for a few steps, for a minute at most.

    Where runs end before their last step the time is less; where a row is measured it is a little more.
    """
    to_do = [cell for cell in sweep.cells if not (out / "runs" / cell.id / "record.json").is_file()]
    tried = sweep.tried({kind_of(cell): cell for cell in to_do}.values(), seconds=60.0)
    in_groups = list(groups(to_do, sweep.together))
    steps = sum(steps_of(of[0]) for of in in_groups)
    jobs = jobs_for(sweep.where, sweep.subject.device, len(in_groups), steps)
    left = TimeLeft(((cell, steps_of(cell)) for cell in to_do), jobs, tried)
    count: Counter[Kind] = Counter()
    of_kind: Counter[Kind] = Counter()
    for cell in to_do:
        count[kind_of(cell)] += 1
        of_kind[kind_of(cell)] += steps_of(cell)
    return Plan(
        cells=len(sweep.cells),
        there=len(sweep.cells) - len(to_do),
        steps=sum(of_kind.values()),
        kinds={kind: (count[kind], of_kind[kind], tried.get(kind)) for kind in count},
        jobs=jobs,
        threads=threads(),
        device=str(sweep.subject.device),
        seconds=left.seconds() if to_do else 0.0,
        memory=_memory(sweep, jobs),
        disk=sum(map(_bytes_of(sweep), to_do)) + (PAGE * (1 + len(to_do) // 400) if to_do else 0),
    )


def _memory(sweep: Sweep, jobs: int) -> int:
    """Of all processes: this one has tried every kind of cell, and so is as large as a worker."""
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return mine * (jobs + 1 if jobs > 1 else 1)


def _bytes_of(sweep: Sweep) -> Callable[[Cell], int]:
    """The files of a cell: its picture, snapshots and evidence as PNG, which never take more than pixels."""
    channels, height, width = sweep.subject.input_shape
    picture = channels * height * width

    def size(cell: Cell) -> int:
        return (SNAPSHOTS + 2) * picture + A_STEP * steps_of(cell) + A_RECORD

    return size


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count / 1e6, 1):.0f} MB"
