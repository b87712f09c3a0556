"""Tasks and events as bytes, between the process that keeps the folder and workers elsewhere.

Both ends run the same version, and a worker runs nothing that its driver would not: pickle is enough.
"""

from __future__ import annotations

import pickle
import platform
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from invert.errors import InvertWarning, RunError
from invert.sweeps.cells import Cell
from invert.sweeps.worker import Begun, Checkpoint, Ended, GroupStep, Task, Warned, Worker, WorkerEvent

EVERY = 0.1
"""Seconds between two steps that are told of."""


def packed(task: Task) -> bytes:
    """A task whose cells are JSON."""
    state = task.state and {name: value.cpu() for name, value in task.state.items()}
    return pickle.dumps(([cell.as_json() for cell in task.cells], task.finished, state))


def unpacked(content: bytes) -> Task:
    cells, finished, state = pickle.loads(content)
    return Task([Cell.from_json(cell) for cell in cells], finished, state)


def event_of(content: bytes) -> WorkerEvent:
    event: WorkerEvent = pickle.loads(content)
    return event


def solved(worker: Worker, content: bytes, network: str | None = None) -> Iterator[bytes]:
    """Solve a packed task: its events, warnings among them, of steps only those a moment apart.

    Raises `RunError` where the network that it names has another digest here than `network`.
    """
    said: list[str] = []
    task = unpacked(content)
    if network is not None and worker.subject(request := task.cells[0].of_network).sha256 != network:
        raise RunError(f"{platform.node()} has other weights of {request.model}: give a file")

    def hear(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, InvertWarning):
            said.append(str(message))

    told = 0.0
    with warnings.catch_warnings():
        warnings.showwarning = hear
        for event in worker.solve(task):
            while said:
                yield pickle.dumps(Warned(said.pop(0)))
            if isinstance(event, GroupStep) and event.step < event.steps:
                if time.monotonic() - told < EVERY:
                    continue
                told = time.monotonic()
            yield pickle.dumps(_light(event))


def _light(event: WorkerEvent) -> WorkerEvent:
    """An event without what the other end has already, and with tensors that any machine can hold."""
    if isinstance(event, Checkpoint):
        return replace(event, state={name: value.cpu() for name, value in event.state.items()})
    return replace(event, task=replace(event.task, state=None)) if isinstance(event, Begun | Ended) else event
