"""The mean photo: what a picture is before anything is known of it.

A smooth 3 × 8 × 8 statistic of the 9,469 training photos of Imagenette (no photo can be made
out in it), drawn by `examples/mean_photo.py`. Its direction is projected out before energies are
compared, so that a brighter top, which most photos have, counts as nothing shown.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import torch
from torch import Tensor


@cache
def _grid() -> Tensor:
    values = json.loads(files("invert.measures").joinpath("mean_photo.json").read_text())
    return torch.tensor(values)


def mean_photo(shape: tuple[int, ...] | torch.Size) -> Tensor:
    """The mean photo `(C, H, W)` in [0, 1]; for other than three channels its luminance in each."""
    channels, height, width = shape
    grid = _grid() if channels == 3 else _grid().mean(0, keepdim=True).expand(channels, -1, -1)
    return torch.nn.functional.interpolate(grid[None], (height, width), mode="bilinear")[0]
