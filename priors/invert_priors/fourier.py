"""`fourier`: an image as a Fourier spectrum in decorrelated colours.

Olah, Mordvintsev, Schubert: "Feature Visualization", Distill 2017, with the settings of their
library Lucid (and of Lucent, its PyTorch port).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from invert.protocols import Canvas, Prior, Rngs, Shape
from invert_priors.generator import NATURAL_COLOURS

CONTRAST = 4.0
"""What Lucid divides the picture by, so that its sigmoid does not saturate."""


@dataclass(frozen=True, kw_only=True)
class FourierBasis(Prior):
    """Pixels reached through their spectrum: one step of Adam moves all places and scales at once.

    It is no penalty: every picture can be drawn. What changes is which come first, smooth and
    evenly lit ones with the colours of photos.
    """

    name: ClassVar[str] = "fourier"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"maximisation": {"steps": 512, "decay": 1.0}}

    steps: int = 500
    learning_rate: float = 0.05
    decay: float = 0.1
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

    def start(self, shape: Shape, rngs: Rngs) -> Canvas:
        return Spectrum(self, shape, rngs)


class Spectrum(Canvas):
    """B spectra `(B, C, H, W // 2 + 1, 2)`, real and imaginary parts apart."""

    scale: Tensor
    mixing: Tensor | None

    def __init__(self, prior: FourierBasis, shape: Shape, rngs: Rngs) -> None:
        super().__init__()
        channels, *self.size = shape
        frequencies = cycles_a_pixel(*self.size)
        scale = frequencies.clamp_min(1 / max(self.size)).pow(-prior.falloff)[..., None]
        mixing = torch.tensor(NATURAL_COLOURS)[..., None, None] if channels == 3 else None
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("mixing", mixing if prior.decorrelate else None, persistent=False)
        drawn = [torch.randn(channels, *frequencies.shape, 2, generator=rng) for rng in rngs]
        self.coefficients = nn.Parameter(torch.stack(drawn) * prior.deviation)

    def forward(self, rngs: Rngs | None = None) -> Tensor:
        spectrum = torch.view_as_complex(self.coefficients * self.scale)
        image: Tensor = torch.fft.irfft2(spectrum, s=self.size, norm="ortho") / CONTRAST
        if self.mixing is not None:
            image = (image[:, None] * self.mixing).sum(2)
        return image.sigmoid()


def cycles_a_pixel(height: int, width: int) -> Tensor:
    """The frequency of each coefficient of `rfft2`: `(H, W // 2 + 1)`."""
    rows: Tensor = torch.fft.fftfreq(height)[:, None]
    columns: Tensor = torch.fft.rfftfreq(width)[None]
    return torch.hypot(rows, columns)
