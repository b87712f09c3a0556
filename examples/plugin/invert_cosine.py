"""`cosine`: an image as a sum of cosines, the basis in which JPEG keeps pictures.

Ahmed, Natarajan, Rao: "Discrete Cosine Transform", IEEE Transactions on Computers 1974.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from invert import Canvas, Prior
from invert.protocols import Rngs, Shape


@dataclass(frozen=True, kw_only=True)
class CosineBasis(Prior):
    """Pixels reached through their cosine spectrum: one step moves all places and scales at once.

    It is no penalty: every picture can be drawn. What changes is which come first: smooth ones.
    Unlike the waves of a Fourier spectrum, cosines do not join the left border to the right.
    """

    name: ClassVar[str] = "cosine"

    steps: int = 500
    learning_rate: float = 0.05
    deviation: float = 0.01
    """Standard deviation of the coefficients that an image starts from."""
    falloff: float = 1.0
    """A coefficient counts as 1 / frequency ** falloff: 1 is the amplitude spectrum of photos, 0 is flat."""

    def __post_init__(self) -> None:
        if not self.deviation > 0:
            raise ValueError(f"deviation is {self.deviation}: it must be above 0")
        if not 0 <= self.falloff <= 4:
            raise ValueError(f"falloff is {self.falloff}: it must lie between 0 and 4")

    def start(self, shape: Shape, rngs: Rngs) -> Cosines:
        return Cosines(self, shape, rngs)


class Cosines(Canvas):
    """B spectra `(B, C, H, W)`."""

    down: Tensor
    across: Tensor
    scale: Tensor

    def __init__(self, settings: CosineBasis, shape: Shape, rngs: Rngs) -> None:
        super().__init__()
        _, height, width = shape
        half_cycles = torch.hypot(torch.arange(height)[:, None] / height, torch.arange(width)[None] / width)
        lowest = 1 / max(height, width)
        never_moves = {
            "down": cosines(height),
            "across": cosines(width),
            "scale": half_cycles.clamp_min(lowest).pow(-settings.falloff),
        }
        for name, value in never_moves.items():
            self.register_buffer(name, value, persistent=False)  # in no checkpoint
        start = torch.stack([torch.randn(shape, generator=rng) for rng in rngs])
        self.coefficients = nn.Parameter(start * settings.deviation)

    def forward(self, rngs: Rngs | None = None) -> Tensor:
        image: Tensor = self.down.mT @ (self.coefficients * self.scale) @ self.across
        return image.sigmoid()


def cosines(size: int) -> Tensor:
    """The orthonormal basis of DCT-II, a cosine a row: `(size, size)`."""
    places = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi / size * places[:, None] * (places + 0.5)) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return rows.float()
