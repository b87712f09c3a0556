"""An executor of several workers elsewhere: who is idle gets the next task, and who is lost is replaced."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Protocol

from invert.sweeps.worker import Lost, Task, WorkerEvent

TICK = 0.2
"""Seconds in which an interruption is passed on."""
PARTING = 5.0
"""Seconds that the thread of a worker which is let go has to notice."""
AHEAD = 64
"""Events that may wait to be taken in; a worker that is further ahead waits."""


class Gone(Exception):
    """A worker is no more; the reason in words."""


class Member(Protocol):
    """A worker elsewhere, as one thread here sees it."""

    def solve(self, task: Task) -> Iterator[WorkerEvent]:
        """What comes of a task, the last of it `Ended`. Raises `Gone`."""

    def interrupt(self) -> None:
        """Ends its task after the step in work; from any thread, and without waiting."""

    def close(self) -> None:
        """Ends it, whatever it does."""


class Crew:
    """So many workers, each hired when there is a task for it, and let go at the end of the run."""

    def __init__(self, hire: Callable[[int], Member], jobs: int) -> None:
        self._hire, self.jobs = hire, jobs
        self._interrupted = False

    def run(self, next_task: Callable[[], Task | None]) -> Iterator[WorkerEvent]:
        work = _Work(self._hire, self.jobs)
        if self._interrupted:
            work.interrupt()
        try:
            while True:
                while work.idle and (task := next_task()) is not None:
                    work.give(task)
                if work.idle == self.jobs:
                    return
                event = work.event()
                if self._interrupted:
                    work.interrupt()
                if event is not None:
                    yield event
        finally:
            work.close()

    def interrupt(self) -> None:
        self._interrupted = True  # no more: it is called from the handler of a signal


class _Work:
    """The threads of one run, one a worker, and the queues between them and it."""

    def __init__(self, hire: Callable[[int], Member], jobs: int) -> None:
        self.idle = jobs
        self._hire = hire
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._events: queue.Queue[WorkerEvent | BaseException | None] = queue.Queue(AHEAD)
        self._members: dict[int, Member] = {}
        self._changing = threading.Lock()
        self._interrupted = self._closed = False
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(jobs)]
        for thread in self._threads:
            thread.start()

    def give(self, task: Task) -> None:
        self.idle -= 1
        self._tasks.put(task)

    def event(self) -> WorkerEvent | None:
        """The next event, None where none comes for a moment or somebody has become idle."""
        try:
            event = self._events.get(timeout=TICK)
        except queue.Empty:
            return None
        if isinstance(event, BaseException):
            raise event
        self.idle += event is None
        return event

    def interrupt(self) -> None:
        with self._changing:
            first, self._interrupted = not self._interrupted, True
            for member in self._members.values() if first else ():
                member.interrupt()

    def close(self) -> None:
        with self._changing:
            self._closed = True
            for member in self._members.values():
                member.close()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(PARTING)

    def _work(self, n: int) -> None:
        """The life of one thread; the workers it starts take no signal: they go to the driver."""
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        while (task := self._tasks.get()) is not None and not self._closed:
            try:
                member = self._member(n)
                for event in member.solve(task) if member else ():
                    self._tell(event)
            except Gone as gone:
                with self._changing:
                    self._members.pop(n).close()
                self._tell(Lost(task, str(gone)))
            except BaseException as error:
                self._tell(error)
            self._tell(None)

    def _member(self, n: int) -> Member | None:
        """Who works in this thread; None where nothing is to be begun any more."""
        with self._changing:
            if self._interrupted or self._closed:
                return None
            if n not in self._members:
                self._members[n] = self._hire(n)
            return self._members[n]

    def _tell(self, event: WorkerEvent | BaseException | None) -> None:
        while not self._closed:
            with suppress(queue.Full):
                self._events.put(event, timeout=TICK)
                return
