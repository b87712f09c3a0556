"""Workers as processes of this machine: tasks go to their standard input, events come from their output."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from invert.errors import RunError
from invert.sweeps.crew import Gone
from invert.sweeps.machine import threads
from invert.sweeps.wire import event_of, packed
from invert.sweeps.worker import Ended, Task, WorkerEvent

HEAD = struct.Struct("<Q")
READY = b"ready"


def send(pipe: IO[bytes], content: bytes) -> None:
    pipe.write(HEAD.pack(len(content)) + content)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes | None:
    """What was sent; None where the other end is no more."""
    head = pipe.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    (size,) = HEAD.unpack(head)
    content = pipe.read(size)
    return content if len(content) == size else None


class Process:
    """A worker in a process of its own, with its share of the machine. It ends with this one."""

    def __init__(self, gpu: int | None = None) -> None:
        count = str(threads())
        environment = {**os.environ, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
        if gpu is not None:
            seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
            environment["CUDA_VISIBLE_DEVICES"] = seen.split(",")[gpu] if seen else str(gpu)
        # Not multiprocessing, which runs the caller's own script again; and found where this one is found.
        begin = (
            f"import sys; sys.path[:] = {sys.path!r}\nfrom invert.sweeps.worker_process import main; main()"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", begin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self._sending = threading.Lock()
        self._begun = False

    def solve(self, task: Task) -> Iterator[WorkerEvent]:
        if not self._begun and receive(self._from) != READY:
            if self._process.wait() < 0:
                raise Gone(self._ending())
            raise RunError(f"a worker process does not start (--jobs 1 does without): it {self._ending()}")
        self._begun = True
        self._send(packed(task))
        while True:
            content = receive(self._from)
            if content is None:
                raise Gone(self._ending())
            event = event_of(content)
            yield event
            if isinstance(event, Ended):
                return

    def interrupt(self) -> None:
        with suppress(Gone):
            self._send(b"")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()

    def _send(self, content: bytes) -> None:
        try:
            with self._sending:
                send(self._to, content)
        except (OSError, ValueError):
            raise Gone(self._ending()) from None

    def _ending(self) -> str:
        status = self._process.wait()
        if status >= 0:
            return f"ended with status {status}"
        name = signal.Signals(-status).name if -status in list(signal.Signals) else f"signal {-status}"
        short = ", perhaps for want of memory" if name == "SIGKILL" else ""
        return f"was ended by {name}{short}"
