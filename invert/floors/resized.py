from __future__ import annotations

from torch import Tensor

from invert.objectives import Observation
from invert.operators import resampling


def bicubic(bound: Observation) -> Tensor:
    """Bicubic interpolation, as Pillow resizes."""
    return _resized(bound, "bicubic").clamp(0, 1)


def lanczos(bound: Observation) -> Tensor:
    """Lanczos interpolation and one back-projection, so that it is what was observed when made smaller."""
    return bound.consistent(_resized(bound, "lanczos"))


def _resized(bound: Observation, kernel: str) -> Tensor:
    assert bound.shape is not None and bound.target is not None
    small = bound.target
    rows = resampling.matrix(small.shape[-2], bound.shape[1], kernel).float()
    columns = resampling.matrix(small.shape[-1], bound.shape[2], kernel).float()
    resized: Tensor = rows @ small @ columns.T
    return resized
