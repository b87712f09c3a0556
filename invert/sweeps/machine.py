"""What this machine has to work with, and how it is shared out among cells."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

WORKER_BYTES = 10**9
"""What a worker takes beside its network: torch and its threads, about half of it (docs/scaling.md)."""
PAYS = 2_000
"""Steps in all from which workers of their own pay: to start one takes seconds, a step milliseconds."""
MOST_THREADS = 4


def cores() -> int:
    """How many processors this process may use: those it is bound to, within its container's quota."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        bound = min(bound, max(int(quota) // int(period), 1))
    return bound


def threads() -> int:
    """With how many threads a cell is computed here: OMP_NUM_THREADS, else a quarter of the cores, 1 to 4.

    The number decides the last bits of a sum, so it does not depend on how many cells are at work.
    """
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said) > 0:
        return int(said)
    return min(max(cores() // 4, 1), MOST_THREADS)


@contextmanager
def fixed_threads() -> Iterator[None]:
    """Within, torch computes with `threads()`."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def memory() -> int | None:
    """Bytes of main memory that are free here, within the container's limit; None where nobody says."""
    free = None
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = 1024 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1])
    with suppress(OSError, ValueError):
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        free = max(limit - used, 0) if free is None else min(free, max(limit - used, 0))
    return free


def jobs_that_pay(device: torch.device, groups: int, steps: int) -> int:
    """How many workers to start for so many groups of cells, `steps` in all: 1 is this process alone.

    On CUDA one a device. On the CPU as many as there are cores for their threads, and memory.
    """
    if device.type == "cuda":
        most = torch.cuda.device_count() if device.index is None else 1
    elif device.type == "cpu":
        free = memory()
        most = max(cores() // threads(), 1)
        most = most if free is None else min(most, max(free // WORKER_BYTES, 1))
    else:
        most = 1
    return min(most, groups) if steps >= PAYS and most > 1 else 1
