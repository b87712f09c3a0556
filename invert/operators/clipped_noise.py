"""How large Gaussian noise is once a picture is clipped to [0, 1], as told by the clipped picture alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

BINS = 64
"""Into which the values of a picture are sorted, beside those that are black and those that are white."""
LEAST = 1e-2
"""Singular values below this share of the largest only pass the noise of the counts on."""
HALF_A_LEVEL = 0.5 / 255


def level(noisy: Tensor, sigma: float) -> float:
    """Root mean square of clip(x + n) − x, of which `noisy` is clip(x + n), in [0, 1], and x unknown.

    n is Gaussian of standard deviation `sigma`. Each value of `noisy` counts as much as makes the mean
    over n right for every x, as nearly as can be; so nothing is asked of how values lie side by side.
    Values outside [0, 1] say that nothing was clipped.
    """
    if sigma == 0 or float(noisy.min()) < 0 or float(noisy.max()) > 1:
        return sigma
    values = torch.linspace(0, 1, 201, dtype=torch.float64)
    counts = torch.linalg.pinv(_chances(values, sigma), rtol=LEAST) @ mean_square(values, sigma)
    noisy = noisy.detach().cpu()
    bins = (noisy * BINS).long().clamp(max=BINS - 1) + 1
    bins[noisy <= HALF_A_LEVEL] = 0
    bins[noisy >= 1 - HALF_A_LEVEL] = BINS + 1
    return math.sqrt(max(0.0, float(counts[bins].mean())))


def mean_square(values: Tensor, sigma: float) -> Tensor:
    """Of clip(x + n) − x, for `values` of x in [0, 1]."""
    low, high = -values / sigma, (1 - values) / sigma
    below, above = torch.special.ndtr(low), torch.special.ndtr(-high)
    within = 1 - below - above + low * _density(low) - high * _density(high)
    square: Tensor = sigma**2 * within + values**2 * below + (1 - values) ** 2 * above
    return square


def _chances(values: Tensor, sigma: float) -> Tensor:
    """Of being black, in each of the bins, white: for `values` of x, `(len(values), BINS + 2)`."""
    edges = torch.linspace(0, 1, BINS + 1, dtype=values.dtype)
    below = torch.special.ndtr((edges - values[:, None]) / sigma)
    return torch.cat([below[:, :1], below.diff(dim=1), 1 - below[:, -1:]], dim=1)


def _density(x: Tensor) -> Tensor:
    return torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
