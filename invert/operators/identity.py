"""All of the picture is known, under noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invert.operators.clipped_noise import level
from invert.operators.sliding_cosines import sliding_cosines
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
    cosines: float = 0.0
    """How much of a result is what sliding cosines make of the noisy picture: two estimates that err
    differently err less together. From 0 to 1."""

    def __post_init__(self) -> None:
        if not self.sigma >= 0:
            raise ValueError(f"sigma is {self.sigma}: it must be 0 or more")
        if not 0 <= self.cosines <= 1:
            raise ValueError(f"cosines is {self.cosines}: it must lie between 0 and 1")

    def start(self, shape: Shape, rng: torch.Generator) -> Noisy:
        return Noisy(self.sigma * torch.randn(1, *shape, generator=rng), self)


class Noisy(Observer):
    """Sees a picture as it is; measures it under `noise` `(1, C, H, W)`, clipped to [0, 1]."""

    noise: Tensor

    def __init__(self, noise: Tensor, settings: Identity) -> None:
        super().__init__()
        self.sigma, self.cosines = settings.sigma, settings.cosines
        self.register_buffer("noise", noise)
        self._cleaned: tuple[Tensor, Tensor] | None = None

    def forward(self, image: Tensor) -> Tensor:
        return image

    def observe(self, picture: Tensor) -> Tensor:
        return (picture + self.noise).clamp(0, 1)

    def joined(self, image: Tensor, observed: Tensor) -> Tensor:
        """A share of sliding cosines taken in."""
        if not (self.cosines and self.sigma):
            return image
        return torch.lerp(image, self.another(observed).expand_as(image), self.cosines)

    def consistent(self, image: Tensor, observed: Tensor) -> Tensor:
        """So much nearer to what was observed that no more than the noise lies between them."""
        residual = observed - image
        distance = residual.flatten(1).square().mean(1).sqrt()[:, None, None, None]
        return observed - residual * (self.noise_level(observed) / distance.clamp(min=1e-12)).clamp(max=1)

    def another(self, observed: Tensor) -> Tensor:
        """Sliding cosines, computed once."""
        if self._cleaned is None or self._cleaned[0] is not observed:
            self._cleaned = observed, sliding_cosines(observed, self.noise_level(observed)).clamp(0, 1)
        return self._cleaned[1]

    def noise_level(self, observed: Tensor) -> float:
        return level(observed, self.sigma)
