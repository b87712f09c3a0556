"""Where tasks are worked on: in this process, in several, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

import torch

from invert.sweeps.crew import Crew
from invert.sweeps.machine import jobs_that_pay
from invert.sweeps.placement import Placement
from invert.sweeps.processes import Process
from invert.sweeps.worker import Task, Worker, WorkerEvent


class Executor(Protocol):
    jobs: int
    """How many tasks are worked on at a time."""

    def run(self, next_task: Callable[[], Task | None]) -> Iterator[WorkerEvent]:
        """Work on tasks until there is none, and no work whose end could bring more."""

    def interrupt(self) -> None:
        """End what is in work after its step; from the handler of a signal."""


class InTurn:
    """One task after the other, in this process."""

    jobs = 1

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def run(self, next_task: Callable[[], Task | None]) -> Iterator[WorkerEvent]:
        while (task := next_task()) is not None:
            yield from self._worker.solve(task)

    def interrupt(self) -> None:
        self._worker.interrupt()


def executor_for(
    where: Placement, worker: Worker, device: torch.device, network: str | None, groups: int, steps: int
) -> Executor:
    """Who works on so many groups of cells, `steps` in all; `worker` is that of this process.

    `network` is the digest of the one that the cells are about.
    """
    if where.on and groups:
        from invert.sweeps.on_ray import OnRay  # an extra

        return OnRay(where, device, network, groups)
    jobs = jobs_for(where, device, groups, steps)
    if jobs == 1:
        return InTurn(worker)
    return Crew(partial(_hired, device), jobs)


def jobs_for(where: Placement, device: torch.device, groups: int, steps: int) -> int:
    """How many workers there are to be: 1 is this process alone. On a cluster as many as it has room for."""
    return min(where.jobs or jobs_that_pay(device, groups, steps), max(groups, 1))


def _hired(device: torch.device, n: int) -> Process:
    several = device.type == "cuda" and device.index is None
    return Process(n % torch.cuda.device_count() if several else None)
