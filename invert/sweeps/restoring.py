"""A cell that restores a picture: its problem, what is seen of it on the way, and what comes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from invert import scans
from invert.api import Result, consistent, result
from invert.engine.devices import choose_device
from invert.engine.optimisation import Optimisation, Stopped
from invert.engine.problem import Problem
from invert.measures.likeness import psnr
from invert.objectives import Observation
from invert.protocols import Stop
from invert.report import Observed, Record
from invert.settings import as_json, make_stop
from invert.sweeps.cells import Cell, prior_of, stops_of
from invert.sweeps.observing import task_of
from invert.sweeps.restoration import NO_STOP, Restoration
from invert.tasks import Given

LOOKS = 200
"""How often a run is compared with the truth on its way, at most."""
WATCHED = "watch.psnr"


@dataclass(frozen=True)
class Restoring:
    """What the cells of one picture under one prior have in common."""

    cell: Cell
    given: Given

    @cached_property
    def bound(self) -> Observation:
        """What was observed, on the device."""
        return self.given.observation.to(choose_device(self.cell.request.device))

    @cached_property
    def problem(self) -> Problem:
        assert self.bound.target is not None
        return Problem(None, self.bound, prior_of(self.cell), place=self.bound.target.device)

    @property
    def stops(self) -> list[Stop]:
        return stops_at(self.cell, self.given.observation)

    def result(self, stopped: Stopped, optimisation: Optimisation, b: int, seed: int) -> Result:
        """That of problem b, made to agree with what is known."""
        found = result(self.problem, stopped, optimisation, b, seed)
        return consistent(found, self.bound)

    def watch(self, steps: int, problems: int) -> Watch:
        return Watch(self.bound, steps, problems)

    def files(self, cell: Cell, image: Tensor) -> dict[str, bytes]:
        """A run's picture, without transparency, which is the file's and not the run's."""
        return {f"runs/{cell.id}/image.png": scans.to_png(image, deep=self.given.deep)}

    def recorded(self, record: Record, found: Result) -> Record:
        """A record with what is said of restorations alone."""
        operator = self.given.observation.operator
        observed = Observed(operator=operator.name, settings=as_json(operator))
        return replace(record, observed=observed, kept_step=found.kept)


def stops_at(cell: Cell, bound: Observation) -> list[Stop]:
    """The rules that end a cell: those that were named, or else its task's."""
    request = cell.request
    assert isinstance(request, Restoration)
    if request.stop:
        return [] if NO_STOP in request.stop else stops_of(request)
    names = task_of(request).stops(bound)
    return [make_stop(name, **request.settings.get(name, {})) for name in names]


class Watch:
    """How near the truth the picture of a run would be if it ended after a step: `psnr` `(steps, B)`.

    NaN at steps that were not looked at, which are all where there is no truth.
    """

    def __init__(self, bound: Observation, steps: int, problems: int) -> None:
        self.bound = bound
        self.every = max(1, math.ceil(steps / LOOKS))
        self.psnr = torch.full((steps, problems), math.nan)

    def look(self, optimisation: Optimisation, step: int) -> None:
        truth = self.bound.photo
        if truth is None or (step % self.every and step != len(self.psnr)):
            return
        made = self.bound.finished(optimisation.keeper.picture)
        self.psnr[step - 1] = torch.tensor([psnr(one[None], truth) for one in made])

    def state(self) -> dict[str, Tensor]:
        return {WATCHED: self.psnr}

    def restore(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Take what is its own out of a state; gives the rest. Raises `ValueError` for another run's."""
        seen = state.get(WATCHED)
        if seen is None or seen.shape != self.psnr.shape:
            raise ValueError("the state is of another optimisation")
        self.psnr = seen.clone()
        return {name: value for name, value in state.items() if name != WATCHED}
