"""How far the inversion is from the photo, at the layer and in pixels."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from invert.measures.evidence import Evidence
from invert.measures.measure import Measure
from invert.objectives.feature_match import FeatureMatch
from invert.protocols import Description


class FeatureError(Measure):
    """‖Φ − Φ₀‖² / ‖Φ₀‖² at the layer that was inverted, in fp32 on the image kept.

    It says how well the network is fooled at that layer and nothing about what the picture
    shows: noise can have an error of 0. Its square root stands in the tables of the IJCV paper;
    the CVPR tables divide by the distance between different photos instead. Whatever weight it has
    in the loss; of several layers, the largest.
    """

    name: ClassVar[str] = "feature_error"
    description: ClassVar[Description] = Description(
        title="feature error ‖Φ − Φ₀‖² / ‖Φ₀‖²",
        unit="ratio",
        range=(0, math.inf),
        better="lower",
        source="Mahendran and Vedaldi, IJCV 2016, the loss (its tables print the square root)",
        short="feature error",
        place="caption",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        terms = [term for _, term in evidence.objective.terms if isinstance(term, FeatureMatch)]
        return max((evidence.value(term) for term in terms), default=None)


class PSNR(Measure):
    """Peak signal-to-noise ratio to the photo, 10 log₁₀(1 / mean squared error), at most 100 dB.

    It asks for the same value in the same pixel. At deep layers position is free, and PSNR
    then ranks a recognisable inversion below noise: never judge a deep layer by it alone.
    """

    name: ClassVar[str] = "psnr"
    description: ClassVar[Description] = Description(
        title="PSNR to the photo",
        unit="dB",
        range=(0, 100),
        better="higher",
        source="10 log₁₀(1 / MSE) over pixels and channels in [0, 1]; misleading at deep layers",
        short="PSNR",
        place="caption",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        if evidence.original is None:
            return None
        return psnr(evidence.image, evidence.original)


class SSIM(Measure):
    """Structural similarity of luminance to the photo, 1 where they are the same picture.

    Local means, contrasts and correlations under a Gaussian window (11 × 11, σ = 1.5). Like
    PSNR it compares place by place, so it too undervalues what moved.
    """

    name: ClassVar[str] = "ssim"
    description: ClassVar[Description] = Description(
        title="SSIM to the photo (luminance)",
        unit="",
        range=(-1, 1),
        better="higher",
        source="Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004",
        short="SSIM",
        place="chart",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        if evidence.original is None or min(evidence.image.shape[-2:]) < 11:
            return None
        return ssim(evidence.image.mean(1, keepdim=True), evidence.original.mean(1, keepdim=True))


def psnr(a: Tensor, b: Tensor) -> float:
    """10 log₁₀(1 / mean squared error) of two images in [0, 1], at most 100 dB."""
    error = float((a - b).double().square().mean())
    return 100.0 if error <= 1e-10 else -10 * math.log10(error)


def ssim(a: Tensor, b: Tensor) -> float:
    """Mean SSIM of two images `(1, 1, H, W)` in [0, 1], windows inside the image only."""
    offsets = torch.arange(11, dtype=torch.float64, device=a.device) - 5
    window = torch.exp(-offsets.square() / (2 * 1.5**2))
    kernel = torch.outer(window, window)[None, None] / window.sum() ** 2

    def local_mean(x: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(x, kernel)

    a, b = a.double(), b.double()
    mean_a, mean_b = local_mean(a), local_mean(b)
    variance_a = local_mean(a * a) - mean_a**2
    variance_b = local_mean(b * b) - mean_b**2
    covariance = local_mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    score = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    )
    return float(score.mean())
