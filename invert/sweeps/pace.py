"""When the report and the page are written anew: often enough to be looked at, too seldom to cost much."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 2.0
"""Seconds between two writings, at least."""
SHARE = 0.02
"""The part of the time that goes into writing, at most: what takes a second comes every fifty."""


class Pace:
    """Whether it is time to write again, by how long the last time took; `now` is a clock."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._due = now() + EVERY
        self._new = False

    def something_new(self) -> None:
        self._new = True

    @property
    def is_due(self) -> bool:
        return self._new and self._now() >= self._due

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Within, it is written; until the next time passes what that costs, many times over."""
        began = self._now()
        yield
        self._new = False
        self._due = self._now() + max(EVERY, (self._now() - began) / SHARE)
