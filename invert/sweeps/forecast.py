"""How long a study takes: what is left of each kind of cell, at that kind's own speed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from invert.sweeps.cells import Cell

Kind = tuple[str, str, str, str]
"""Cells whose steps take the same time: objective, layer, prior, control."""
TRIED = 3
"""Steps in which the speed of a kind is tried before it is known; the first is no measure."""


def kind_of(cell: Cell) -> Kind:
    return cell.objective, cell.layer or "", cell.prior, cell.control or ""


@dataclass
class _Group:
    """Cells in work: since when they step, from which step, and how far they are."""

    kind: Kind
    cells: int
    since: float | None = None
    first: int = 0
    step: int = 0


class TimeLeft:
    """The seconds that are left of cells in work on `jobs` workers.

    `steps` gives each cell's steps, `tried` the seconds a step of kinds as they are known beforehand.
    A kind that nothing is known of is taken for the mean of its prior, or of all.
    """

    def __init__(
        self,
        steps: Iterable[tuple[Cell, int]],
        jobs: int = 1,
        tried: Mapping[Kind, float] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.jobs, self._tried, self._now = jobs, dict(tried or {}), now
        self._steps = {cell.id: (kind_of(cell), count) for cell, count in steps}
        self._left: Counter[Kind] = Counter()
        for kind, count in self._steps.values():
            self._left[kind] += count
        self._seconds: defaultdict[Kind, float] = defaultdict(float)
        self._stepped: Counter[Kind] = Counter()
        self._asked: Counter[Kind] = Counter()
        self._taken: Counter[Kind] = Counter()
        self._groups: dict[str, _Group] = {}

    def stepped(self, cells: Sequence[Cell], step: int) -> None:
        """These are at a step."""
        group = self._groups.setdefault(cells[0].id, _Group(kind_of(cells[0]), len(cells)))
        if group.since is None or step < group.first:
            group.since, group.first = self._now(), step
        group.step = step

    def ended(self, cells: Sequence[Cell]) -> None:
        """These are no longer in work; what was seen of their speed stays."""
        for name in {cell.id for cell in cells} & self._groups.keys():
            group = self._groups.pop(name)
            if group.since is not None and group.step > group.first:
                self._seconds[group.kind] += self._now() - group.since
                self._stepped[group.kind] += group.cells * (group.step - group.first)

    def finished(self, cell: Cell, steps: int) -> None:
        """A cell is done, after so many steps."""
        kind, planned = self._steps.pop(cell.id, (kind_of(cell), 0))
        self._left[kind] -= planned
        self._asked[kind] += planned
        self._taken[kind] += steps

    def seconds(self) -> float | None:
        """None where no speed is known at all."""
        total = 0.0
        for kind, steps in self._left.items():
            if steps <= 0:
                continue
            rate = self._rate(kind)
            if rate is None:
                return None
            total += rate * steps * self._share(kind)
        for group in self._groups.values():
            rate = self._rate(group.kind) or 0.0
            total -= rate * group.cells * group.step
        workers = max(min(self.jobs, len(self._steps)), 1)
        return max(total / workers, 0.0)

    def _rate(self, kind: Kind) -> float | None:
        """Seconds that one cell's step takes one worker."""
        if (seen := self._seen(kind)) is not None:
            return seen
        if kind in self._tried:
            return self._tried[kind]
        known = {k: s for k in (*self._left, *self._tried) if (s := self._seen(k) or self._tried.get(k))}
        same = [s for k, s in known.items() if (k[0], k[2]) == (kind[0], kind[2])] or list(known.values())
        return sum(same) / len(same) if same else None

    def _seen(self, kind: Kind) -> float | None:
        seconds, steps = self._seconds.get(kind, 0.0), self._stepped[kind]
        for group in self._groups.values():
            if group.kind == kind and group.since is not None:
                seconds += self._now() - group.since
                steps += group.cells * (group.step - group.first)
        return seconds / steps if steps >= TRIED else None

    def _share(self, kind: Kind) -> float:
        """Of the steps that cells may take, the share that those of this kind took."""
        return self._taken[kind] / self._asked[kind] if self._asked[kind] else 1.0
