"""Denoising by thresholds on the cosines of every block, a denoiser of a second."""

from __future__ import annotations

from collections.abc import Callable

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
    """Of `(B, C, H, W)` under noise of standard deviation `sigma`: the mean of what all blocks say, twice.

    Of each block of 8 × 8, at every place, the cosines above 2.7 σ are kept; then, by what came of that,
    each is scaled by the share of it that is no noise (Wiener). A block counts the more, the less it
    kept. Yu and Sapiro: "DCT Image Denoising", Image Processing On Line 2011, and Pierazzo et al., 2017,
    for the second pass; the weights are those of Guleryuz, 2007.
    """
    if sigma == 0:
        return noisy
    to = torch.tensor(OPPOSED, dtype=noisy.dtype, device=noisy.device)
    to = to / to.norm(dim=1, keepdim=True)
    planes = torch.einsum("cd,bdhw->bchw", to, noisy) if noisy.shape[1] == 3 else noisy
    cleaned = torch.cat([_twice(plane, sigma) for plane in torch.split(planes, 1, dim=1)], dim=1)
    return torch.einsum("dc,bdhw->bchw", to, cleaned) if noisy.shape[1] == 3 else cleaned


def _twice(plane: Tensor, sigma: float) -> Tensor:
    """Of `(B, 1, H, W)`."""
    once = _blockwise(plane, plane, lambda own, _: (own.abs() > THRESHOLD * sigma).to(own.dtype))
    return _blockwise(plane, once, lambda _, pilot: pilot**2 / (pilot**2 + sigma**2))


def _blockwise(plane: Tensor, pilot: Tensor, share: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Every block of `plane` with a `share` of each cosine, by those of the block and of `pilot`'s there."""
    cosines = _cosines(plane)
    padded, guide = _mirrored(plane), _mirrored(pilot)
    total, weight = torch.zeros_like(padded), torch.zeros_like(padded)
    for first in range(0, padded.shape[2] - SIDE + 1, ROWS):
        rows = slice(first, first + ROWS + SIDE - 1)
        coefficients = F.conv2d(padded[:, :, rows], cosines)
        kept = share(coefficients, F.conv2d(guide[:, :, rows], cosines))
        kept[:, 0] = 1  # the mean
        counts = 1 / kept.square().sum(1, keepdim=True)
        total[:, :, rows] += F.conv_transpose2d(coefficients * kept * counts, cosines)
        weight[:, :, rows] += F.conv_transpose2d(counts, torch.ones_like(cosines[:1]))
    return (total / weight)[:, :, SIDE - 1 : 1 - SIDE, SIDE - 1 : 1 - SIDE]


def _mirrored(plane: Tensor) -> Tensor:
    """With all that a block may reach over its edges."""
    edge = min(SIDE, *plane.shape[2:]) - 1  # of which a mirror is as wide at most
    mirrored = F.pad(plane, [edge] * 4, mode="reflect")
    return F.pad(mirrored, [SIDE - 1 - edge] * 4, mode="replicate")


def _cosines(like: Tensor) -> Tensor:
    """The orthonormal basis of blocks, `(64, 1, 8, 8)`; the first is constant."""
    frequency, place = torch.arange(SIDE)[:, None], torch.arange(SIDE)
    line = torch.cos(torch.pi / SIDE * (place + 0.5) * frequency) * (2 / SIDE) ** 0.5
    line[0] /= 2**0.5
    return torch.einsum("ui,vj->uvij", line, line).reshape(-1, 1, SIDE, SIDE).to(like)
