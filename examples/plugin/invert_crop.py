"""`crop`: of a picture, the middle is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invert import Observer, Operator
from invert.protocols import Shape


@dataclass(frozen=True, kw_only=True)
class Crop(Operator):
    """A square in the middle, so many pixels a side; all around it is missing."""

    name: ClassVar[str] = "crop"

    side: int = 16

    def __post_init__(self) -> None:
        if self.side < 1:
            raise ValueError(f"side is {self.side}: it must be 1 or more")

    def start(self, shape: Shape, rng: torch.Generator) -> Middle:
        return Middle(shape, self.side)


class Middle(Observer):
    """Sees `(B, C, side, side)`, or less where the picture is smaller."""

    def __init__(self, shape: Shape, side: int) -> None:
        super().__init__()
        _, self.height, self.width = shape
        self.rows, self.columns = (_middle(length, side) for length in (self.height, self.width))

    def forward(self, image: Tensor) -> Tensor:
        return image[..., self.rows, self.columns]

    def consistent(self, image: Tensor, observed: Tensor) -> Tensor:
        """The square put back."""
        agreed = image.clone()
        agreed[..., self.rows, self.columns] = observed
        return agreed

    def seen(self, observed: Tensor) -> Tensor:
        around = observed.new_full((*observed.shape[:2], self.height, self.width), 0.5)
        return self.consistent(around, observed)


def _middle(length: int, side: int) -> slice:
    start = max(length - side, 0) // 2
    return slice(start, start + side)
