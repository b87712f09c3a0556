"""`maco`: pictures with the spectrum of photos, of which only the phases are free.

Fel, Boissin, Boutin, Picard, Novello, Colin, Linsley, Rousseau, Cadène, Goetschalckx, Gardes, Serre:
"Unlocking Feature Visualization for Deep Networks with MAgnitude Constrained Optimization", NeurIPS 2023;
how a picture is drawn from the phases as in the authors' library Horama.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from invert.protocols import Canvas, Prior, Rngs, Shape
from invert_priors.generator import NATURAL_COLOURS

LEAST = 1e-4
"""Below it no deviation is divided by."""


@dataclass(frozen=True, kw_only=True)
class MagnitudeConstrained(Prior):
    """A phase for each wave, whose amplitude is that of the mean photo and does not move.

    Edges and places lie in the phases, contrast at each scale in the amplitudes: so the picture can
    put no more fine texture anywhere than photos have on average. The amplitudes (decorrelated
    colours, before the sigmoid) are those of the 9,469 training photos of Imagenette at 128 px,
    measured by `examples/photo_spectrum.py`; beyond 64 cycles a picture they go on falling as they do
    there. Every picture has the same contrast, so one that is nearly flat cannot be drawn.
    """

    name: ClassVar[str] = "maco"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"maximisation": {"steps": 400}}

    steps: int = 500
    learning_rate: float = 0.1
    warmup: float = 0.1
    decay: float = 0.1
    contrast: float = 1.0
    """Standard deviation of the picture before its colours are mixed and the sigmoid; 1 in the paper."""

    def __post_init__(self) -> None:
        if not self.contrast > 0:
            raise ValueError(f"contrast is {self.contrast}: it must be above 0")

    def start(self, shape: Shape, rngs: Rngs) -> Canvas:
        return Phases(self, shape, rngs)


class Phases(Canvas):
    """B sets of phases `(B, C, H, W // 2 + 1)`, in radians where their deviation is 1."""

    magnitude: Tensor
    mixing: Tensor | None

    def __init__(self, prior: MagnitudeConstrained, shape: Shape, rngs: Rngs) -> None:
        super().__init__()
        channels, *self.size = shape
        self.contrast = prior.contrast
        magnitude = photo_spectrum(*self.size)
        if channels != 3:
            magnitude = magnitude[:1].expand(channels, -1, -1)
        mixing = torch.tensor(NATURAL_COLOURS)[..., None, None] if channels == 3 else None
        self.register_buffer("magnitude", magnitude, persistent=False)
        self.register_buffer("mixing", mixing, persistent=False)
        self.phases = nn.Parameter(torch.stack([torch.randn(magnitude.shape, generator=r) for r in rngs]))

    def forward(self, rngs: Rngs | None = None) -> Tensor:
        spectrum = torch.polar(self.magnitude.expand_as(self.phases), standardised(self.phases))
        image = self.contrast * standardised(torch.fft.irfft2(spectrum, s=self.size))
        if self.mixing is not None:
            image = (image[:, None] * self.mixing).sum(2)
        return image.sigmoid()


def standardised(x: Tensor) -> Tensor:
    """`(B, …)` with a mean of 0 and a standard deviation of 1 for each of the B."""
    axes = tuple(range(1, x.ndim))
    centred = x - x.mean(axes, keepdim=True)
    return centred / (centred.square().mean(axes, keepdim=True).sqrt() + LEAST)


def photo_spectrum(height: int, width: int) -> Tensor:
    """The mean amplitudes of photos at the coefficients of `rfft2`: `(3, H, W // 2 + 1)`, 0 for the mean.

    Between the cycles a picture at which they were measured, and beyond, straight lines of their
    logarithms.
    """
    cycles, logarithms = _measured()
    down = _between(torch.fft.fftfreq(height).abs() * height, cycles)
    across = _between(torch.fft.rfftfreq(width) * width, cycles)
    magnitude = (down @ logarithms @ across.mT).exp()
    magnitude[:, 0, 0] = 0
    return magnitude.float()


@cache
def _measured() -> tuple[Tensor, Tensor]:
    held = json.loads(files("invert_priors").joinpath("photo_spectrum.json").read_text())
    magnitude = torch.tensor(held["magnitude"], dtype=torch.float64)
    magnitude[:, 0, 0] = magnitude[:, 0, 1]  # the mean is no wave: without it the lines start level
    return torch.tensor(held["cycles"], dtype=torch.float64), magnitude.log()


def _between(wanted: Tensor, known: Tensor) -> Tensor:
    """`(N, K)`: the weights by which values at `known` give those at `wanted`, linear in log(1 + cycles)."""
    x, at = wanted.double().log1p(), known.log1p()
    upper = torch.searchsorted(at, x).clamp(1, len(at) - 1)
    share = (x - at[upper - 1]) / (at[upper] - at[upper - 1])
    weights = torch.zeros(len(x), len(at), dtype=torch.float64)
    rows = torch.arange(len(x))
    weights[rows, upper - 1] = 1 - share
    weights[rows, upper] += share
    return weights
