"""Plain pixels as parameters: what `none` and `tv` optimise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invert.protocols import Canvas, Rngs, Shape


class PixelCanvas(Canvas):
    """One logit a pixel and channel, through a sigmoid so that the image stays inside (0, 1).

    It starts as mid-grey with noise of standard deviation `contrast` (in image units).
    """

    def __init__(self, shape: Shape, rngs: Rngs, contrast: float) -> None:
        super().__init__()
        noise = torch.stack([torch.randn(shape, generator=rng) for rng in rngs])
        self.logits = nn.Parameter(noise * (4 * contrast))  # the sigmoid's slope at 0 is 1/4

    def forward(self, rngs: Rngs | None = None) -> Tensor:
        return self.logits.sigmoid()
