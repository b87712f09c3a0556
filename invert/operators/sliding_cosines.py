"""Denoising by thresholds on the cosines of every block, a denoiser of a second."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 8
"""Of a block."""
THRESHOLD = 2.7
"""In standard deviations of the noise: below it a coefficient is set to 0."""
ROWS = 64
"""Rows of blocks worked on at a time."""
OPPOSED = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))
"""From red, green and blue to what varies least together; scaled to length 1."""


def sliding_cosines(noisy: Tensor, sigma: float) -> Tensor:
    """Of `(B, C, H, W)` under noise of standard deviation `sigma`: the mean of what all blocks say.

    Each block of 8 × 8, at every place, keeps of its cosines those above 2.7 σ; a block counts the more,
    the fewer it kept. Yu and Sapiro: "DCT Image Denoising", Image Processing On Line 2011; the weights
    are those of Guleryuz, "Weighted Averaging for Denoising With Overcomplete Dictionaries", 2007.
    """
    if sigma == 0:
        return noisy
    to = torch.tensor(OPPOSED, dtype=noisy.dtype, device=noisy.device)
    to = to / to.norm(dim=1, keepdim=True)
    planes = torch.einsum("cd,bdhw->bchw", to, noisy) if noisy.shape[1] == 3 else noisy
    edge = min(SIDE, *planes.shape[2:]) - 1  # of which a mirror is as wide at most
    mirrored = F.pad(planes, [edge] * 4, mode="reflect")
    mirrored = F.pad(mirrored, [SIDE - 1 - edge] * 4, mode="replicate")
    cleaned = torch.cat([_cleaned(plane, sigma) for plane in torch.split(mirrored, 1, dim=1)], dim=1)
    cleaned = cleaned[:, :, SIDE - 1 : 1 - SIDE, SIDE - 1 : 1 - SIDE]
    return torch.einsum("dc,bdhw->bchw", to, cleaned) if noisy.shape[1] == 3 else cleaned


def _cleaned(plane: Tensor, sigma: float) -> Tensor:
    """Of `(B, 1, H, W)`."""
    cosines = _cosines(plane)
    total, weight = torch.zeros_like(plane), torch.zeros_like(plane)
    for first in range(0, plane.shape[2] - SIDE + 1, ROWS):
        rows = slice(first, first + ROWS + SIDE - 1)
        coefficients = F.conv2d(plane[:, :, rows], cosines)
        kept = coefficients.abs() > THRESHOLD * sigma
        kept[:, 0] = True  # the mean
        counts = 1 / kept.sum(1, keepdim=True).to(plane.dtype)
        total[:, :, rows] += F.conv_transpose2d(coefficients * kept * counts, cosines)
        weight[:, :, rows] += F.conv_transpose2d(counts, torch.ones_like(cosines[:1]))
    return total / weight


def _cosines(like: Tensor) -> Tensor:
    """The orthonormal basis of blocks, `(64, 1, 8, 8)`; the first is constant."""
    frequency, place = torch.arange(SIDE)[:, None], torch.arange(SIDE)
    line = torch.cos(torch.pi / SIDE * (place + 0.5) * frequency) * (2 / SIDE) ** 0.5
    line[0] /= 2**0.5
    return torch.einsum("ui,vj->uvij", line, line).reshape(-1, 1, SIDE, SIDE).to(like)
