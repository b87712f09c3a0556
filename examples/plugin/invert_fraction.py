"""`fraction`: stop when the loss is so much less than it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from invert import Criterion, Stop
from invert.protocols import Now


@dataclass(frozen=True, kw_only=True)
class Fraction(Stop):
    """The loss has fallen to this fraction of what it was at the first step."""

    name: ClassVar[str] = "fraction"

    left: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.left < 1:
            raise ValueError(f"left is {self.left}: it must lie between 0 and 1")

    def start(self, image: Tensor) -> Criterion:
        return Fallen(self.left, image)


class Fallen(Criterion):
    first: Tensor
    conclusive = True

    def __init__(self, left: float, image: Tensor) -> None:
        super().__init__()
        self.left = left
        self.register_buffer("first", image.new_zeros(len(image)))

    def forward(self, now: Now) -> Tensor:
        self.first.copy_(now.loss.where(now.step == 1, self.first))
        return now.loss <= self.left * self.first
