"""When the picture that is kept agrees best with what no step was shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invert.engine.variance import Least
from invert.protocols import Criterion, Now, Objective, Stop


@dataclass(frozen=True, kw_only=True)
class HeldOut(Stop):
    """A share of what was observed is kept back, and its error has not been lower for `patience` steps.

    The picture is that of the step at which it was lowest. No noise level is asked for: noise that was
    never shown is not fitted. What is kept back is the same in all channels and for every seed.
    """

    name: ClassVar[str] = "heldout"

    share: float = 0.02
    patience: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share is {self.share}: it must lie between 0 and 1")
        if self.patience < 1:
            raise ValueError(f"patience is {self.patience}: it must be 1 or more")

    def prepared(self, objective: Objective) -> Objective:
        return objective.keeping_back(self.share)

    def bind(self, objective: Objective) -> Stop:
        return OfThatObjective(share=self.share, patience=self.patience, objective=objective)

    def start(self, image: Tensor) -> Criterion:
        return LeastError(self.patience, image)


@dataclass(frozen=True, kw_only=True)
class OfThatObjective(HeldOut):
    objective: Objective

    def start(self, image: Tensor) -> Criterion:
        return LeastError(self.patience, image, self.objective)


class LeastError(Least):
    def __init__(self, patience: int, image: Tensor, objective: Objective | None = None) -> None:
        super().__init__(patience, image)
        self.objective = objective

    def forward(self, now: Now) -> Tensor:
        error = now.error if self.objective is None else self.objective.error_kept_back(now.kept)
        return self.judge(error.double(), torch.ones_like(now.step, dtype=torch.bool), now)
