"""How large the noise in a picture is, as told by the picture alone."""

from __future__ import annotations

import torch
from torch import Tensor

from invert.operators.clipped_noise import level

SIDE = 8
"""Of the patches, in pixels."""
MOST = 400_000
"""Patches that are looked at: of a larger picture every second, every third, … of each row and column."""
HALVINGS = 30


def estimate(noisy: Tensor) -> float:
    """Root mean square of the noise that is in `noisy` `(1, C, H, W)`, in its units, whatever clipped it.

    Chen, Zhu, Heng: "An Efficient Statistical Method for Image Noise Level Estimation", ICCV 2015.
    Patches of a picture lie near a plane of few dimensions; white noise spreads them by as much along
    all others. So of the eigenvalues of their covariance the largest are left out until the mean of
    the rest is their median. Texture that fills all dimensions passes for noise: see docs/restoration.md.
    """
    channels, height, width = noisy.shape[1:]
    side = min(SIDE, height, width)
    step = 1
    while (height // step) * (width // step) > MOST:
        step += 1
    unfolded = noisy[0].double().unfold(1, side, step).unfold(2, side, step)
    patches = unfolded.permute(1, 2, 0, 3, 4).reshape(-1, channels * side * side)
    if len(patches) < 2:
        return 0.0
    spread = torch.linalg.eigvalsh(torch.cov(patches.T)).clamp(min=0)  # from the least
    for count in range(len(spread), 0, -1):
        mean = spread[:count].mean()
        if (spread[:count] > mean).sum() >= (spread[:count] < mean).sum():
            return float(mean.sqrt())
    return 0.0


def before_clipping(noisy: Tensor, spread: float) -> float:
    """The σ of Gaussian noise of which `spread` (root mean square) is left in `noisy`, once clipped.

    What `invert.operators.clipped_noise.level` turns into `spread`, as nearly as it can: at most 1.
    """
    low, high = spread, 1.0
    if spread == 0 or level(noisy, spread) >= spread:
        return spread
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if level(noisy, middle) < spread else (low, middle)
    return low
