"""`none`: no assumption about images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from invert.protocols import Prior, Rngs, Shape
from invert_priors.pixels import PixelCanvas


@dataclass(frozen=True, kw_only=True)
class Pixels(Prior):
    """No prior: pixels, and nothing that prefers one image to another.

    What the layer does not decide stays as it was drawn at the start: noise of standard
    deviation `start_contrast` (image units, 0 to 1) about mid-grey.
    """

    name: ClassVar[str] = "none"
    neutral: ClassVar[bool] = True
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "maximisation": {"learning_rate": 0.1, "decay": 0.1}
    }

    learning_rate: float = 0.05
    start_contrast: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.start_contrast <= 0.5:
            raise ValueError(f"start_contrast is {self.start_contrast}: it must lie between 0 and 0.5")

    def start(self, shape: Shape, rngs: Rngs) -> PixelCanvas:
        return PixelCanvas(shape, rngs, self.start_contrast)
