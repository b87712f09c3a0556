"""The time that steps take, on a device that works while the host goes on."""

from __future__ import annotations

import time

import torch


class Stopwatch:
    """`with watch:` around a step. On CUDA the device's own clock counts, and nobody waits for it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._seconds, self._began = 0.0, 0.0
        self._pending: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def __enter__(self) -> None:
        self._began = time.perf_counter()
        if self.device.type == "cuda":
            self._pending.append((_event(), _event()))
            self._pending[-1][0].record(torch.cuda.current_stream(self.device))

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            self._pending[-1][1].record(torch.cuda.current_stream(self.device))
        else:
            self._seconds += time.perf_counter() - self._began

    @property
    def seconds(self) -> float:
        """As far as the device is known to have come."""
        while self._pending and self._pending[0][1].query():  # type: ignore[no-untyped-call]
            began, ended = self._pending.pop(0)
            self._seconds += began.elapsed_time(ended) / 1000
        return self._seconds

    def read(self) -> float:
        """All of it; waits for the device."""
        if self._pending:
            self._pending[-1][1].synchronize()
        return self.seconds

    def set(self, seconds: float) -> None:
        """Go on from there."""
        self._pending.clear()
        self._seconds = seconds


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
