"""`--until auto`: all inversions of a layer end at one feature error, which all of them reach.

Two priors are compared fairly where the layer's features are matched equally well, and nobody knows
beforehand how well that can be. So each run is made twice: in `OUT/first` to its end, which shows the
least error it reaches, and in OUT until the largest of these at its layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from invert.errors import RequestError
from invert.report import CommonError, Record
from invert.sweeps.cells import Cell
from invert.sweeps.folder import Folder
from invert.sweeps.options import AUTO
from invert.sweeps.placement import Placement
from invert.sweeps.request import Request
from invert.sweeps.restoration import AnyRequest, Restoration
from invert.sweeps.sweep import HERE, AnySweep, Notice, PassStarted, Sweep, SweepEvent
from invert.sweeps.worker import Worker

FIRST = "first"
"""The folder of the first pass, inside that of the study."""
DIGITS = 3
SHORTENED = 1e-5
"""A trace is kept in six digits: so much more, and the loss itself is not above what it says."""
NOTHING = 1e-9
"""An error that nothing is below, for runs whose error is exactly 0: one cannot ask for that."""


class AutoSweep(Sweep):
    """A sweep in two passes; each of its cells then holds a number, and so can be asked for alone."""

    def __init__(self, request: Request, where: Placement = HERE) -> None:
        worker = Worker()
        super().__init__(request, worker, where)
        self.first = Sweep(first_of(request), worker, where) if request.layer else None

    def interrupt(self) -> None:
        super().interrupt()
        if self.first is not None:
            self.first.interrupt()

    def begin(self, folder: Folder) -> Iterator[SweepEvent]:
        """The first pass, and the common errors as far as it came."""
        if self.first is not None:
            out = first_folder(folder.out)
            yield PassStarted("pass 1 of 2: the least feature error of each run", len(self.first.cells), out)
            yield from self.first.run(out, resume=True)
            found = self.first.summary
            records = [found.records[cell.id] for cell in self.first.cells if cell.id in found.records]
            self.common = common_errors(records, found.folder.losses)
            yield from map(Notice, left_out(self.common))
        self.cells = [_until(cell, self.common) for cell in self.cells]
        if not self.interrupted:
            each = told(self.common) or "no layers"
            yield PassStarted(f"pass 2 of 2: until {each}", len(self.cells), folder.out)


def sweep_of(request: AnyRequest, where: Placement = HERE) -> AnySweep:
    if isinstance(request, Restoration):
        from invert.sweeps.restoration_sweep import RestorationSweep  # scikit-image, which takes a second

        return RestorationSweep(request, where=where)
    return AutoSweep(request, where) if request.until == AUTO else Sweep(request, where=where)


def first_folder(out: Path) -> Path:
    """Where the first pass of a study in `out` goes. Raises `RequestError` for a link."""
    first = out / FIRST
    if first.is_symlink():
        raise RequestError(f"{first} is a link, which nothing is written through: remove it")
    return first


def first_of(request: Request) -> Request:
    """The request of the first pass: the inversions alone, each to its end."""
    settings = {name: s for name, s in request.settings.items() if name not in request.objective}
    inversions = replace(request, classes=(), unit=(), objective=(), settings=settings)
    return replace(inversions, until=None, photos=None, judge=None, judge_weights=None)


def common_errors(
    records: Iterable[Record], losses: Callable[[str], Sequence[float]]
) -> dict[str, CommonError]:
    """Of each layer, the least feature error that all its runs reach, controls among them.

    Those that failed or diverged are left out. `losses` gives the trace of a run by its id.
    """
    found: dict[str, CommonError] = {}
    for record in records:
        if record.layer is None or record.stopped == "interrupted":
            continue
        common = found.setdefault(record.layer, CommonError())
        reached = losses(record.id) if record.error is None and record.stopped != "not finite" else ()
        if not reached:
            common.left_out.append(record.id)
            continue
        common.runs += 1
        common.error = max(common.error or 0.0, rounded_up(min(reached)))
    return found


def rounded_up(error: float) -> float:
    """The next number of three digits that an error, known to six, is not above."""
    error = max(error * (1 + SHORTENED), NOTHING)
    places = DIGITS - 1 - math.floor(math.log10(error))
    return float(f"{math.ceil(error * 10.0**places) / 10.0**places:.{DIGITS}g}")


def told(common: Mapping[str, CommonError]) -> str:
    """The common errors in words, and where a picture's own is above."""
    found = []
    for layer, one in common.items():
        if one.error is not None:
            above = one.largest is not None and one.largest > one.error
            found.append(f"{layer} {one.error:.3g}{f' (measured: up to {one.largest:.4g})' if above else ''}")
    return ", ".join(found)


def left_out(common: Mapping[str, CommonError]) -> Iterable[str]:
    """What had no say in a common error, in words."""
    for layer, one in common.items():
        if one.error is None:
            yield f"{layer} has no common feature error: none of its runs came to an end"
        elif one.left_out:
            yield (
                f"the common feature error of {layer} is without "
                f"{', '.join(one.left_out)}, which failed or diverged"
            )


def _until(cell: Cell, common: Mapping[str, CommonError]) -> Cell:
    known = common.get(cell.layer or "") if cell.photo is not None else None
    return replace(cell, request=replace(cell.of_network, until=known.error if known else None))
