"""The loop of the published notebooks, plainly written: what the benchmarks measure ours against.

"Deep Image Prior" (Ulyanov, Vedaldi, Lempitsky, CVPR 2018), feature inversion: fp32, the whole
step one operation after the other, Adam at a constant rate on the mean squared error of the
features. The generator is drawn as ours is, so that both start from the same picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invert.subjects import Subject
from invert.subjects.trace import tapped
from invert_priors.dip import DeepImagePrior
from invert_priors.pixels import PixelCanvas

RATES = {"dip": 1e-3, "tv": 1e-2, "none": 1e-2}
TV_WEIGHT = 1e-6


class PublishedLoop:
    """Inverts `layer` of `subject` for the image `photo` `(1, C, H, W)`, a step a call."""

    def __init__(self, subject: Subject, layer: str, photo: Tensor, prior: str, seed: int = 0) -> None:
        rng = torch.Generator().manual_seed(seed)
        shape = subject.input_shape
        self.subject, self.layer, self.prior = subject, layer, prior
        with torch.no_grad():
            self.target = self.features(photo)
        self.scale = self.target.numel() / float(self.target.square().sum())
        self.canvas: nn.Module = (
            DeepImagePrior(fast=False).start(shape, [rng])
            if prior == "dip"
            else Pixels(PixelCanvas(shape, [rng], contrast=0.05)().detach())
        )
        self.canvas.to(photo.device)
        self.adam = torch.optim.Adam(self.canvas.parameters(), lr=RATES[prior])

    def features(self, image: Tensor) -> Tensor:
        """The layer's, from a forward pass in the layout of the notebooks that ends there, as theirs does."""
        tap = self.subject.layer(self.layer).tap
        return tapped(self.subject.model, self.subject.preprocess(image).contiguous(), {tap})[tap]

    def error(self, image: Tensor) -> Tensor:
        """The mean squared error of the features of `image`; times `scale` the normalised one."""
        return F.mse_loss(self.features(image), self.target)

    def step(self) -> float:
        """The normalised feature error of the picture before the step."""
        self.adam.zero_grad()
        image = self.canvas()
        error = self.error(image)
        loss = error + TV_WEIGHT * total_variation(image) if self.prior == "tv" else error
        loss.backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        return error.item() * self.scale


class Pixels(nn.Module):
    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.image = nn.Parameter(image.clone())

    def forward(self) -> Tensor:
        return self.image


def total_variation(image: Tensor) -> Tensor:
    """The notebook's: its `beta=2` acts on squared differences, so β is 4."""
    dx = (image[..., :-1, 1:] - image[..., :-1, :-1]).square()
    dy = (image[..., 1:, :-1] - image[..., :-1, :-1]).square()
    return (dx + dy).square().sum()
