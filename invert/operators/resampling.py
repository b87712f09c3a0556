"""Resizing as matrices: what Pillow and MATLAB do to a picture, one axis at a time.

A picture `(…, H, W)` becomes `rows @ picture @ columns.T`. As matrices the resizings can be
differentiated, transposed, and inverted on what they keep.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

KERNELS = ("lanczos", "bicubic", "matlab", "box")


def lanczos(x: float) -> float:
    """Three lobes, as in Pillow's `LANCZOS`."""
    if abs(x) >= 3:
        return 0.0
    return _sinc(x) * _sinc(x / 3)


def bicubic(x: float) -> float:
    """Keys (1981) with a = −1/2, as in Pillow's `BICUBIC` and MATLAB's `imresize`."""
    a, x = -0.5, abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def box(x: float) -> float:
    return 1.0 if -0.5 < x <= 0.5 else 0.0


_FORMULAS: dict[str, tuple[Callable[[float], float], float]] = {
    "lanczos": (lanczos, 3.0),
    "bicubic": (bicubic, 2.0),
    "matlab": (bicubic, 2.0),
    "box": (box, 0.5),
}
"""Each kernel's formula, and how far it reaches either way."""


@lru_cache(maxsize=8)
def matrix(size: int, smaller: int, kernel: str) -> Tensor:
    """What takes `size` samples to `smaller` ones: `(smaller, size)` in fp64, each row of sum 1.

    `lanczos`, `bicubic` and `box` are Pillow's `Image.resize` (the kernel is cut off at the border
    and what is left is scaled to 1); `matlab` is `imresize(…, "bicubic")`, antialiased, which
    reflects the picture there. What Pillow makes of 8-bit pictures is this within one level
    where nothing overshoots: it rounds, and clips, between columns and rows as well.
    """
    formula, support = _FORMULAS[kernel]
    scale = size / smaller
    stretch = max(scale, 1.0)
    weights = torch.zeros(smaller, size, dtype=torch.float64)
    for row in range(smaller):
        centre = (row + 0.5) * scale
        if kernel == "matlab":
            reach = range(
                math.floor(centre - support * stretch) - 1, math.ceil(centre + support * stretch) + 2
            )
        else:
            first, last = int(centre - support * stretch + 0.5), int(centre + support * stretch + 0.5)
            reach = range(max(first, 0), min(last, size))
        for sample in reach:
            weights[row, _reflected(sample, size)] += formula((sample + 0.5 - centre) / stretch)
    return weights / weights.sum(1, keepdim=True)


@lru_cache(maxsize=8)
def inverse(size: int, smaller: int, kernel: str) -> Tensor:
    """The pseudo-inverse of `matrix`, `(size, smaller)`: the smallest change that makes the sizes agree."""
    inverted: Tensor = torch.linalg.pinv(matrix(size, smaller, kernel))
    return inverted


def _reflected(sample: int, size: int) -> int:
    """Where sample −1 is sample 0, and sample `size` is the last."""
    sample %= 2 * size
    return sample if sample < size else 2 * size - 1 - sample


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)
