"""Facets: linear views of an image, in which what a layer keeps is measured one at a time."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

Facets = dict[str, Tensor]


def facets(images: Tensor) -> Facets:
    """Each facet of images `(…, C, H, W)` as real vectors `(…, N)`, by name.

    `luminance` is the mean of the channels; `colour`, for three channels, the two opponent planes
    (R − G)/2 and (R + G)/4 − B/2; `cycles.LOW-HIGH` the rings of luminance's Fourier plane, in
    cycles per image, octaves from 4 up to the Nyquist limit of the shorter side. Vectors are
    scaled so that the squared norm of luminance is the sum over pixels, and the rings' add up to
    the part of it between 1 cycle and Nyquist.
    """
    luminance = images.mean(-3)
    views = {"luminance": luminance.flatten(-2)}
    if images.shape[-3] == 3:
        red, green, blue = images.unbind(-3)
        planes = torch.stack([(red - green) / 2, (red + green) / 4 - blue / 2], dim=-3)
        views["colour"] = planes.flatten(-3)
    spectrum = torch.view_as_real(torch.fft.fft2(luminance, norm="ortho"))
    for (low, high), ring in _rings(*luminance.shape[-2:]).items():
        views[f"cycles.{low}-{high}"] = spectrum[..., ring.to(images.device), :].flatten(-2)
    return views


def names(channels: int, height: int, width: int) -> list[str]:
    """The facets of an image of that shape."""
    return list(facets(torch.zeros(channels, height, width)))


def tiles(images: Tensor, grid: int = 8) -> Tensor:
    """Images `(…, C, H, W)` cut into a grid, as vectors `(grid, grid, …, N)`; pixels left over at the far
    edges are dropped."""
    *batch, channels, height, width = images.shape
    h, w = height // grid, width // grid
    cut = images[..., : grid * h, : grid * w].reshape(*batch, channels, grid, h, grid, w)
    return cut.movedim((-4, -2), (0, 1)).flatten(-3)


def _rings(height: int, width: int) -> dict[tuple[int, int], Tensor]:
    """The Fourier coefficients between each pair of octave limits, as masks `(H, W)`."""
    nyquist = min(height, width) // 2
    limits = [1, *(2**k for k in range(2, max(math.ceil(math.log2(max(nyquist, 1))), 2))), nyquist]
    cycles_y = torch.fft.fftfreq(height) * height
    cycles_x = torch.fft.fftfreq(width) * width
    radius = torch.hypot(cycles_y[:, None], cycles_x[None, :])
    rings = {}
    for low, high in pairwise(limits):
        if low < high:
            inside = (radius >= low) & ((radius <= high) if high == nyquist else (radius < high))
            rings[low, high] = inside
    return rings
