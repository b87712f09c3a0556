"""Some of the pixels are known, and the others are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invert.protocols import Observer, Operator, Shape


@dataclass(frozen=True, kw_only=True)
class Mask(Operator):
    """Pixels missing at random, the same in all channels."""

    name: ClassVar[str] = "mask"

    share: float = 0.5
    """Of the pixels that are missing."""

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share is {self.share}: it must lie between 0 and 1")

    def start(self, shape: Shape, rng: torch.Generator) -> Known:
        _, height, width = shape
        return Known(torch.rand(height, width, generator=rng) >= self.share)


class Known(Observer):
    """The pixels where `known` `(H, W)` is true: `(B, C, H, W)` to `(B, C, N)`."""

    known: Tensor

    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.register_buffer("known", known)

    def forward(self, image: Tensor) -> Tensor:
        return image[:, :, self.known]

    def consistent(self, image: Tensor, observed: Tensor) -> Tensor:
        """The known pixels put back."""
        agreed = image.clone()
        agreed[:, :, self.known] = observed
        return agreed

    def seen(self, observed: Tensor) -> Tensor:
        """The missing pixels in mid-grey."""
        return self.consistent(observed.new_full((*observed.shape[:2], *self.known.shape), 0.5), observed)
