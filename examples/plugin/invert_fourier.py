"""`fourier`: an image as a Fourier spectrum in decorrelated colours.

Olah, Mordvintsev, Schubert: "Feature Visualization", Distill 2017, with the settings of their
library Lucid (and of Lucent, its PyTorch port).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from invert import Canvas, Prior
from invert.protocols import Rngs, Shape

COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
"""A square root of the covariance of ImageNet's colours, as in Lucid: rows red, green, blue."""

CONTRAST = 4.0
"""What Lucid divides the picture by, so that its sigmoid does not saturate."""


@dataclass(frozen=True, kw_only=True)
class FourierBasis(Prior):
    """Pixels reached through their spectrum: one step of Adam moves all places and scales at once.

    It is no penalty: every picture can be drawn. What changes is which come first, smooth and
    evenly lit ones with the colours of photos.
    """

    name: ClassVar[str] = "fourier"

    steps: int = 512
    learning_rate: float = 0.05
    deviation: float = 0.01
    """Standard deviation of the coefficients that an image starts from."""
    falloff: float = 1.0
    """A coefficient counts as 1 / frequency ** falloff: 1 is the amplitude spectrum of photos, 0 is flat."""
    decorrelate: bool = True
    """Three channels are mixed from uncorrelated ones to the colours of photos."""

    def __post_init__(self) -> None:
        if not self.deviation > 0:
            raise ValueError(f"deviation is {self.deviation}: it must be above 0")
        if not 0 <= self.falloff <= 4:
            raise ValueError(f"falloff is {self.falloff}: it must lie between 0 and 4")

    def start(self, shape: Shape, rngs: Rngs) -> Spectrum:
        return Spectrum(self, shape, rngs)


class Spectrum(Canvas):
    """B spectra `(B, C, H, W // 2 + 1, 2)`, real and imaginary parts apart."""

    scale: Tensor
    colours: Tensor | None

    def __init__(self, settings: FourierBasis, shape: Shape, rngs: Rngs) -> None:
        super().__init__()
        channels, *self.size = shape
        frequencies = spectral_radius(*self.size)
        lowest = 1 / max(self.size)
        scale = frequencies.clamp_min(lowest).pow(-settings.falloff)[..., None]
        mixing = colours() if settings.decorrelate and channels == 3 else None
        self.register_buffer("scale", scale, persistent=False)  # never moves: in no checkpoint
        self.register_buffer("colours", mixing, persistent=False)
        drawn = (torch.randn(channels, *frequencies.shape, 2, generator=rng) for rng in rngs)
        start = torch.stack(list(drawn))
        self.coefficients = nn.Parameter(start * settings.deviation)

    def forward(self, rngs: Rngs | None = None) -> Tensor:
        spectrum = torch.view_as_complex(self.coefficients * self.scale)
        image: Tensor = torch.fft.irfft2(spectrum, s=self.size, norm="ortho") / CONTRAST
        if self.colours is not None:
            image = (image[:, None] * self.colours).sum(2)
        return image.sigmoid()


def spectral_radius(height: int, width: int) -> Tensor:
    """The frequency of each coefficient of `rfft2`, in cycles per pixel: `(H, W // 2 + 1)`."""
    rows: Tensor = torch.fft.fftfreq(height)[:, None]
    columns: Tensor = torch.fft.rfftfreq(width)[None]
    return torch.hypot(rows, columns)


def colours() -> Tensor:
    """`COLOURS`, its longest column of length 1: `(3, 3, 1, 1)`, to multiply `(B, 1, 3, H, W)` with."""
    matrix = torch.tensor(COLOURS)
    longest: Tensor = matrix.norm(dim=0).max()
    return (matrix / longest)[..., None, None]
