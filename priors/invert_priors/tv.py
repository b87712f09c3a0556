"""`tv`: total variation (Mahendran and Vedaldi, CVPR 2015 and IJCV 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from invert.protocols import Prior, Rngs, Shape
from invert_priors.pixels import PixelCanvas

TYPICAL_GRADIENT = 0.1
"""Gradient magnitude (image units a pixel) that makes a picture's total variation count as 1."""
TYPICAL_CONTRAST = 80 / 255
"""Distance from mid-grey that makes a pixel's α-norm count as 1: σ = 80 of the IJCV paper."""


@dataclass(frozen=True, kw_only=True)
class TotalVariation(Prior):
    """Pixels that pay for differing from their neighbours and for straying far from grey.

    penalty = weight · mean((dx² + dy²)^(β/2)) / 0.1^β + alpha_weight · mean(|x − ½|^α) / (80/255)^α

    Both terms are averaged over pixels and divided by their value on a typical photo, and the
    objective is a normalised error, so a weight reads as a price: how much feature error a
    photo's worth of variation may cost. That is why one default serves shallow and deep layers.
    The magnitude is smoothed at `smoothing` so that its gradient is finite on flat regions.
    """

    name: ClassVar[str] = "tv"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "maximisation": {"weight": 0.01, "steps": 300},
        "restoration": {"weight": 0.01, "alpha_weight": 0.0},
    }

    learning_rate: float = 0.1
    decay: float = 0.1
    weight: float = 0.1
    beta: float = 2.0
    alpha_weight: float = 0.001
    alpha: float = 6.0
    smoothing: float = 1e-3
    start_contrast: float = 0.05

    def __post_init__(self) -> None:
        for field in ("weight", "alpha_weight"):
            if not getattr(self, field) >= 0:
                raise ValueError(f"{field} is {getattr(self, field)}: it must be 0 or more")
        for field in ("beta", "alpha"):
            if not getattr(self, field) >= 1:
                raise ValueError(f"{field} is {getattr(self, field)}: it must be 1 or more")
        if not self.smoothing > 0:
            raise ValueError(f"smoothing is {self.smoothing}: it must be above 0")
        if not 0 <= self.start_contrast <= 0.5:
            raise ValueError(f"start_contrast is {self.start_contrast}: it must lie between 0 and 0.5")

    def start(self, shape: Shape, rngs: Rngs) -> TotalVariationCanvas:
        return TotalVariationCanvas(shape, rngs, self)


class TotalVariationCanvas(PixelCanvas):
    """Pixels with the penalty of `TotalVariation`."""

    def __init__(self, shape: Shape, rngs: Rngs, settings: TotalVariation) -> None:
        super().__init__(shape, rngs, settings.start_contrast)
        self.settings = settings

    def penalty(self, image: Tensor) -> Tensor:
        s = self.settings
        variation = total_variation(image, s.beta, s.smoothing) / TYPICAL_GRADIENT**s.beta
        excess = alpha_norm(image - 0.5, s.alpha) / TYPICAL_CONTRAST**s.alpha
        penalty: Tensor = s.weight * variation + s.alpha_weight * excess
        return penalty


def total_variation(image: Tensor, beta: float, smoothing: float) -> Tensor:
    """Mean over pixels and channels of (dx² + dy²)^(β/2): `(B, C, H, W)` → `(B,)`, 0 on a constant image.

    (dx² + dy² + smoothing²)^(β/2) − smoothing^β, with forward differences that are 0 at the far border.
    """
    dx, dy = image.diff(dim=-1), image.diff(dim=-2)
    if beta == 2:  # the squares add up, and the smoothing cancels: two thirds of the time saved
        across, down = (torch.linalg.vecdot(d.flatten(1), d.flatten(1)) for d in (dx, dy))
        per_image: Tensor = (across + down) / image[0].numel()
    else:
        dx, dy = F.pad(dx, (0, 1)), F.pad(dy, (0, 0, 0, 1))
        magnitude = (dx.square() + dy.square() + smoothing**2) ** (beta / 2) - smoothing**beta
        per_image = magnitude.flatten(1).mean(1)
    return per_image


def alpha_norm(image: Tensor, alpha: float) -> Tensor:
    """Mean over pixels and channels of |x|^α: `(B, C, H, W)` → `(B,)`."""
    return image.abs().pow(alpha).flatten(1).mean(1)
