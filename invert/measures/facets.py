"""Facets: linear views of an image, in which what a layer keeps is measured one at a time.

`pictured` is what a picture shows in them: its facets without the directions that say nothing of a photo.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from invert.measures.mean_photo import mean_photo

Facets = dict[str, Tensor]

FINEST_COLOUR = 16
"""Cycles per image, of the finest colour that counts."""


def facets(images: Tensor) -> Facets:
    """Each facet of images `(…, C, H, W)` as real vectors `(…, N)`, by name.

    `luminance` is the mean of the channels; `colour`, for three channels, the two opponent planes
    (R − G)/2 and (R + G)/4 − B/2 up to 16 cycles per image: finer colour is not seen as such, and
    noise of single pixels would drown it; `cycles.LOW-HIGH` the rings of luminance's Fourier plane, in
    cycles per image, octaves from 4 up to the Nyquist limit of the shorter side. Vectors are
    scaled so that the squared norm of luminance is the sum over pixels, and the rings' add up to
    the part of it between 1 cycle and Nyquist.
    """
    luminance = images.mean(-3)
    views = {"luminance": luminance.flatten(-2)}
    if images.shape[-3] == 3:
        red, green, blue = images.unbind(-3)
        planes = torch.stack([(red - green) / 2, (red + green) / 4 - blue / 2], dim=-3)
        coarse = (_radius(*images.shape[-2:]) <= FINEST_COLOUR).to(images.device)
        views["colour"] = _hartley(planes)[..., coarse].flatten(-2)
    waves = _hartley(luminance)
    for (low, high), ring in _rings(*luminance.shape[-2:]).items():
        views[f"cycles.{low}-{high}"] = waves[..., ring.to(images.device)]
    return views


def pictured(images: Tensor) -> Facets:
    """The facets of images `(…, C, H, W)` in double precision, each without plain grey and the mean photo.

    x ↦ P F(x), with P the projection off F(1) and F(μ − ½): a blank picture is 0 in every facet, a
    picture at half the contrast is half of it, and what any photo would show (a brighter top) is
    neither the photo's nor made up.
    """
    idle = facets(_idle(images))
    return {name: _without(view, idle[name]) for name, view in facets(images.double()).items()}


def pictured_whole(images: Tensor) -> Tensor:
    """Images `(…, C, H, W)` as `pictured` has their facets, over all channels at once.

    Where there are several of several photos, one photo after the other, which takes a third of the memory.
    """
    if images.dim() > 4:
        return torch.stack([pictured_whole(each) for each in images])
    return _without(images.double().flatten(-3), _idle(images).flatten(-3)).reshape(images.shape)


def _idle(images: Tensor) -> Tensor:
    """What says nothing of a photo: plain grey, and the mean photo about mid-grey, `(2, C, H, W)`."""
    mean = mean_photo(images.shape[-3:]).double().to(images.device) - 0.5
    return torch.stack([torch.ones_like(mean), mean])


def _without(vectors: Tensor, directions: Tensor) -> Tensor:
    """Vectors `(…, N)` projected off each of the directions `(D, N)` that is not 0."""
    basis: list[Tensor] = []
    for direction in directions:
        for other in basis:
            direction = direction - (direction @ other) * other
        length = direction.norm()
        if length > 1e-6:  # plain grey has no colour and no octaves
            basis.append(direction / length)
    for direction in basis:
        vectors = vectors - (vectors @ direction)[..., None] * direction
    return vectors


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


def _hartley(planes: Tensor) -> Tensor:
    """Planes `(…, H, W)` as waves: the Fourier plane in real numbers, and as orthonormal."""
    spectrum = torch.fft.fft2(planes, norm="ortho")
    waves: Tensor = spectrum.real - spectrum.imag
    return waves


def _radius(height: int, width: int) -> Tensor:
    """How many cycles per image each wave has, `(H, W)`."""
    cycles_y = torch.fft.fftfreq(height) * height
    cycles_x = torch.fft.fftfreq(width) * width
    return torch.hypot(cycles_y[:, None], cycles_x[None, :])


def _rings(height: int, width: int) -> dict[tuple[int, int], Tensor]:
    """The Fourier coefficients between each pair of octave limits, as masks `(H, W)`."""
    nyquist = min(height, width) // 2
    limits = [1, *(2**k for k in range(2, max(math.ceil(math.log2(max(nyquist, 1))), 2))), nyquist]
    radius = _radius(height, width)
    rings = {}
    for low, high in pairwise(limits):
        if low < high:
            inside = (radius >= low) & ((radius <= high) if high == nyquist else (radius < high))
            rings[low, high] = inside
    return rings
