"""Where tasks are worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from invert.sweeps.worker import Task, Worker, WorkerEvent


class Executor(Protocol):
    def run(self, next_task: Callable[[], Task | None]) -> Iterator[WorkerEvent]:
        """Work on tasks until there is none, and no work whose end could bring more."""

    def interrupt(self) -> None:
        """End what is in work after its step."""


class InTurn:
    """One task after the other, in this process."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def run(self, next_task: Callable[[], Task | None]) -> Iterator[WorkerEvent]:
        while (task := next_task()) is not None:
            yield from self._worker.solve(task)

    def interrupt(self) -> None:
        self._worker.interrupt()
