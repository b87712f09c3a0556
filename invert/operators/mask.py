"""Some of the pixels are known, and the others are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invert import images, pictures, scans
from invert.errors import RequestError
from invert.protocols import Observer, Operator, Shape


@dataclass(frozen=True, kw_only=True)
class Mask(Operator):
    """Pixels missing, the same in all channels: at random, or those that are white in a picture."""

    name: ClassVar[str] = "mask"
    preset: ClassVar[str] = "restoration-inpaint"

    share: float = 0.5
    """Of the pixels that are missing, where they are missing at random."""
    file: str = ""
    """A picture of the same size, white (at least mid-grey) where a pixel is missing; empty: at random."""
    transparent: bool = False
    """Missing is where that picture is transparent (at least half), not where it is white."""

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share is {self.share}: it must lie between 0 and 1")
        if self.transparent and not self.file:
            raise ValueError("transparent asks for a file that is transparent somewhere")

    def start(self, shape: Shape, rng: torch.Generator) -> Known:
        _, height, width = shape
        at_random = torch.rand(height, width, generator=rng) < self.share
        missing = self._missing(height, width) if self.file else at_random
        if missing.all() or not missing.any():
            how = "every pixel is missing: nothing is known" if missing.all() else "no pixel is missing"
            told = "transparent" if self.transparent else "white"
            hint = f" ({told} is what is missing)" if self.file else ""
            raise RequestError(f"{self.file or self.name}: {how}{hint}")
        return Known(~missing)

    def _missing(self, height: int, width: int) -> Tensor:
        """`(H, W)` bool, by the file."""
        with pictures.opened(self.file) as picture:
            size = picture.size
        if sorted(size) == sorted(
            (width, height)
        ):  # else nothing is decoded; upright, it may lie the other way
            missing = _transparent(self.file) if self.transparent else _white(self.file)
            size = missing.shape[1], missing.shape[0]
        if size != (width, height):
            raise RequestError(
                f"{self.file} is {size[0]} × {size[1]}, the picture {width} × {height}: "
                "a mask is as large as its picture"
            )
        return missing


def _white(file: str) -> Tensor:
    return images.to_float(file)[0].mean(0) >= 0.5


def _transparent(file: str) -> Tensor:
    scan = scans.read(file)
    if scan.alpha is None:
        return torch.zeros(scan.pixels.shape[-2:], dtype=torch.bool)
    return scan.alpha[0, 0] <= 0.5


class Known(Observer):
    """The pixels where `known` `(H, W)` is true: `(B, C, H, W)` to `(B, C, N)`."""

    known: Tensor

    def __init__(self, known: Tensor) -> None:
        super().__init__()
        self.register_buffer("known", known)

    def forward(self, image: Tensor) -> Tensor:
        return image[:, :, self.known]

    def measured(self, given: Tensor) -> Tensor:
        """The known pixels: what the others show has no meaning."""
        return given[:, :, self.known]

    def consistent(self, image: Tensor, observed: Tensor) -> Tensor:
        """The known pixels put back."""
        agreed = image.clone()
        agreed[:, :, self.known] = observed
        return agreed

    def seen(self, observed: Tensor) -> Tensor:
        """The missing pixels in mid-grey."""
        return self.consistent(observed.new_full((*observed.shape[:2], *self.known.shape), 0.5), observed)
