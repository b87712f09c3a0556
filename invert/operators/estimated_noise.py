"""How large the noise in a picture is, as told by the picture alone."""

from __future__ import annotations

import torch
from torch import Tensor

from invert.operators.clipped_noise import level

SIDE = {1: 8, 3: 5}
"""Of the patches, in pixels, by channels: about seventy values each."""
MOST = 400_000
"""Patches that are looked at: of a larger picture every second, every third, … of each row and column."""
ENOUGH = 10
"""Patches a value of one, at least: of a small picture patches are smaller."""
ROWS = 64
"""Rows of patches that are held at a time."""
HALVINGS = 30


def estimate(noisy: Tensor) -> float:
    """Root mean square of the noise that is in `noisy` `(1, C, H, W)`, in its units, whatever clipped it.

    Chen, Zhu, Heng: "An Efficient Statistical Method for Image Noise Level Estimation", ICCV 2015.
    Patches of a picture lie near a plane of few dimensions; white noise spreads them by as much along
    all others. So of the eigenvalues of their covariance the largest are left out until the mean of
    the rest is their median. Texture that fills all dimensions passes for noise: see docs/restoration.md.
    """
    channels, height, width = noisy.shape[1:]
    side = min(SIDE.get(channels, min(SIDE.values())), height, width)
    while side > 2 and (height - side) * (width - side) < ENOUGH * channels * side * side:
        side -= 1
    step = 1
    while (height // step) * (width // step) > MOST:
        step += 1
    spread = torch.linalg.eigvalsh(_covariance(noisy[0], side, step)).clamp(min=0)  # from the least
    for count in range(len(spread), 0, -1):
        mean = spread[:count].mean()
        if (spread[:count] > mean).sum() >= (spread[:count] < mean).sum():
            return float(mean.sqrt())
    return 0.0


def _covariance(noisy: Tensor, side: int, step: int) -> Tensor:
    """Of all patches of `(C, H, W)`, `step` pixels apart, in fp64."""
    patches = noisy.unfold(1, side, step).unfold(2, side, step)
    values = len(noisy) * side * side
    squares, total, count = noisy.new_zeros(values, values).double(), noisy.new_zeros(values).double(), 0
    for rows in torch.split(patches, ROWS, dim=1):
        flat = rows.permute(1, 2, 0, 3, 4).reshape(-1, values).double()
        squares += flat.T @ flat
        total += flat.sum(0)
        count += len(flat)
    mean = total / count
    return squares / count - torch.outer(mean, mean)


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
