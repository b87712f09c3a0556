"""What a worker process does: solve what comes, until nobody sends any more."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

import torch

from invert.sweeps.machine import threads
from invert.sweeps.processes import READY, receive, send
from invert.sweeps.wire import solved
from invert.sweeps.worker import Worker


def main() -> None:
    """Tasks from standard input, events to standard output; what others print goes to standard error."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the driver says when to stop, and how
    with suppress(OSError):  # where memory runs out it is a worker that ends, and its cells are done again
        Path("/proc/self/oom_score_adj").write_text("500")
    inbox, outbox = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    torch.set_num_threads(threads())
    worker = Worker()
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(inbox, worker, tasks), daemon=True).start()
    send(outbox, READY)
    with suppress(BrokenPipeError):  # the driver is no more
        while True:
            for event in solved(worker, tasks.get()):
                send(outbox, event)


def _listen(inbox: IO[bytes], worker: Worker, tasks: queue.SimpleQueue[bytes]) -> None:
    """Nothing is said to interrupt; where the driver is no more, nobody needs this process."""
    while (content := receive(inbox)) is not None:
        if content:
            tasks.put(content)
        else:
            worker.interrupt()
    os._exit(0)
