"""A picture of fewer pixels is known: what super-resolution starts from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from invert.operators import resampling
from invert.protocols import Observer, Operator, Shape


@dataclass(frozen=True, kw_only=True)
class Downsample(Operator):
    """The picture at 1 / `factor` of its size, as a program made it smaller.

    `kernel` is `lanczos`, `bicubic` or `box` for what Pillow does, `matlab` for MATLAB's antialiased
    bicubic. Sides that are no multiple of the factor are rounded.
    """

    name: ClassVar[str] = "downsample"
    preset: ClassVar[str] = "restoration-upscale"

    factor: int = 4
    kernel: str = "lanczos"

    def __post_init__(self) -> None:
        if not 2 <= self.factor <= 16:
            raise ValueError(f"factor is {self.factor}: it must be a whole number from 2 to 16")
        if self.kernel not in resampling.KERNELS:
            raise ValueError(f"kernel is {self.kernel!r}: choose from {', '.join(resampling.KERNELS)}")

    def shape_of(self, observed: Shape) -> Shape:
        channels, height, width = observed
        return channels, height * self.factor, width * self.factor

    def start(self, shape: Shape, rng: torch.Generator) -> Smaller:
        return Smaller(self, shape)


class Smaller(Observer):
    """`(B, C, H, W)` to `(B, C, h, w)`: rows and columns resized one after the other."""

    rows: Tensor
    columns: Tensor
    back_rows: Tensor
    back_columns: Tensor

    def __init__(self, settings: Downsample, shape: Shape) -> None:
        super().__init__()
        for name, size in zip(("rows", "columns"), shape[1:], strict=True):
            smaller = max(1, round(size / settings.factor))
            self.register_buffer(name, resampling.matrix(size, smaller, settings.kernel).float())
            self.register_buffer(f"back_{name}", resampling.inverse(size, smaller, settings.kernel).float())

    def forward(self, image: Tensor) -> Tensor:
        return self.rows @ image @ self.columns.T

    def consistent(self, image: Tensor, observed: Tensor) -> Tensor:
        """The nearest picture that is `observed` when it is made smaller.

        One back-projection with the pseudo-inverse, which is exact: where `observed` is right, the
        result is nearer to the truth than `image`, whatever `image` was.
        """
        difference: Tensor = observed - self(image)
        return image + self.back_rows @ difference @ self.back_columns.T

    def seen(self, observed: Tensor) -> Tensor:
        """As large as the picture, in blocks."""
        size = [len(self.back_rows), len(self.back_columns)]
        blocks: Tensor = F.interpolate(observed, size, mode="nearest")
        return blocks
