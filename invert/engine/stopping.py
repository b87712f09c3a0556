"""When a problem ends before its steps are over: what `stopped` in a record says, one class each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from invert.errors import RequestError
from invert.protocols import Criterion, Now, Objective, Stop


def put(into: Tensor, where: Tensor, values: Tensor) -> None:
    """Overwrite `into` with `values` where `where` is true."""
    into.copy_(torch.where(where, values, into))


@dataclass(frozen=True, kw_only=True)
class NotFinite(Stop):
    """The loss is NaN or infinite: nothing can be followed from there. Every run has it."""

    name: ClassVar[str] = "not finite"

    def start(self, image: Tensor) -> Criterion:
        return Broken()


class Broken(Criterion):
    def forward(self, now: Now) -> Tensor:
        return ~torch.isfinite(now.loss + now.penalty)


@dataclass(frozen=True, kw_only=True)
class Until(Stop):
    """The error is at most this: what is compared is matched so well."""

    name: ClassVar[str] = "until"

    error: float = 0.01

    def start(self, image: Tensor) -> Criterion:
        return Reached(lambda now: now.error <= self.error)


@dataclass(frozen=True, kw_only=True)
class Floor(Stop):
    """The loss is the least that it can be: there is nothing left to do. For who asked, as `until`."""

    name: ClassVar[str] = "until"

    loss: float = 0.0

    def start(self, image: Tensor) -> Criterion:
        return Reached(lambda now: now.loss <= self.loss)


@dataclass(frozen=True, kw_only=True)
class Discrepancy(Stop):
    """The picture is as near to what was observed as the truth is (Morozov's discrepancy principle).

    Nearer, the noise is fitted. The picture is the one that is kept: an average, where the prior keeps
    one, which lies further from the noise than its steps. For what was observed under noise of known
    size: `error` is filled in by `bind`, from the noise as it is after clipping.
    """

    name: ClassVar[str] = "discrepancy"

    error: float = 0.0
    """The normalised error at which it ends; 0: that of the objective's noise."""

    def __post_init__(self) -> None:
        if not self.error >= 0:
            raise ValueError(f"error is {self.error}: it must be 0 or more")

    def bind(self, objective: Objective) -> Stop:
        error = self.error or objective.noise
        if not error:
            raise RequestError(
                f"discrepancy asks how large the noise is, and {objective} does not know "
                "(an observation by the operator identity with its sigma does)"
            )
        noisy = next((term for _, term in objective.terms if term.noise), objective)
        return replace(self, error=error) if noisy.layers else KeptIsNear(error=error, objective=noisy)

    def start(self, image: Tensor) -> Criterion:
        return Reached(lambda now: now.error <= self.error)


@dataclass(frozen=True, kw_only=True)
class KeptIsNear(Discrepancy):
    """`Discrepancy` of an objective that can be asked of any picture, for it reads no network."""

    objective: Objective

    def start(self, image: Tensor) -> Criterion:
        def near(now: Now) -> Tensor:
            error = self.objective.error(now.kept, {})
            assert error is not None
            return error <= self.error

        return Reached(near)


class Reached(Criterion):
    conclusive = True

    def __init__(self, where: Callable[[Now], Tensor]) -> None:
        super().__init__()
        self.where = where

    def forward(self, now: Now) -> Tensor:
        return self.where(now)


@dataclass(frozen=True, kw_only=True)
class Plateau(Stop):
    """The running mean of loss + penalty has not fallen by the share `fall` for `patience` steps."""

    name: ClassVar[str] = "plateau"

    patience: int = 100
    fall: float = 0.01

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError(f"patience is {self.patience}: it must be 1 or more")
        if not 0 <= self.fall < 1:
            raise ValueError(f"fall is {self.fall}: it must be at least 0 and below 1")

    def start(self, image: Tensor) -> Criterion:
        return Flat(self, image)


class Flat(Criterion):
    level: Tensor
    since: Tensor

    def __init__(self, settings: Plateau, image: Tensor) -> None:
        super().__init__()
        self.patience, self.fall = settings.patience, settings.fall
        self.register_buffer("level", torch.full((len(image),), math.inf, device=image.device))
        self.register_buffer("since", torch.zeros(len(image), dtype=torch.long, device=image.device))

    def forward(self, now: Now) -> Tensor:
        fell = now.mean < self.level - self.fall * self.level.abs().nan_to_num(posinf=0)
        put(self.level, fell, now.mean)
        put(self.since, fell, now.step)
        return now.step - self.since >= self.patience
