"""A smooth picture of an odd size, and what is in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

WIDTH, HEIGHT = 13, 7
"""No multiples of anything."""


def values(channels: int, width: int = WIDTH, height: int = HEIGHT) -> torch.Tensor:
    """A smooth picture `(1, C, H, W)`, from 0.2 to 0.8."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    planes = [0.5 + 0.3 * torch.sin(3 * x + c) * torch.cos(2 * y - c) for c in range(channels)]
    return torch.stack(planes)[None]


def pixels(file: Path) -> np.ndarray[Any, Any]:
    """The numbers in a file of 8 bits, or of grey of 16, as Pillow reads them."""
    with Image.open(file) as picture:
        return np.asarray(picture)


def mode(file: Path) -> str:
    with Image.open(file) as picture:
        return picture.mode
