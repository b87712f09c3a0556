"""All of the picture is known, under noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invert.operators.clipped_noise import level
from invert.protocols import Observer, Operator, Shape


@dataclass(frozen=True, kw_only=True)
class Identity(Operator):
    """The picture itself, measured under Gaussian noise of standard deviation `sigma` (image units).

    It is clipped to [0, 1] after the noise, as a file is: the noise that is left is smaller than `sigma`
    where the picture is nearly black or white.
    """

    name: ClassVar[str] = "identity"
    preset: ClassVar[str] = "restoration-denoise"

    sigma: float = 0.0

    def __post_init__(self) -> None:
        if not self.sigma >= 0:
            raise ValueError(f"sigma is {self.sigma}: it must be 0 or more")

    def start(self, shape: Shape, rng: torch.Generator) -> Noisy:
        return Noisy(self.sigma * torch.randn(1, *shape, generator=rng), self.sigma)


class Noisy(Observer):
    """Sees a picture as it is; measures it under `noise` `(1, C, H, W)`, clipped to [0, 1]."""

    noise: Tensor

    def __init__(self, noise: Tensor, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma
        self.register_buffer("noise", noise)

    def forward(self, image: Tensor) -> Tensor:
        return image

    def observe(self, picture: Tensor) -> Tensor:
        return (picture + self.noise).clamp(0, 1)

    def consistent(self, image: Tensor, observed: Tensor) -> Tensor:
        """So much nearer to what was observed that no more than the noise lies between them."""
        residual = observed - image
        distance = residual.flatten(1).square().mean(1).sqrt()[:, None, None, None]
        return observed - residual * (self.noise_level(observed) / distance.clamp(min=1e-12)).clamp(max=1)

    def noise_level(self, observed: Tensor) -> float:
        return level(observed, self.sigma)
