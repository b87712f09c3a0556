"""The generator of "Deep Image Prior" (Ulyanov, Vedaldi, Lempitsky, CVPR 2018), plainly written.

An encoder-decoder with skip connections: the authors' `skip()` in `models/skip.py`. This is the
reference; `fast_generator` computes the same function of the same parameters with less work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAK = 0.2

NATURAL_COLOURS = ((0.975, 0.3375, 0.075), (1.0125, 0.0, -0.1875), (1.0125, -0.3375, 0.1125))
"""From luminance, red to blue and magenta to green to red, green and blue, as far as photos vary in each.

The square root of the covariance of ImageNet's colours, of Lucid (`lucid/optvis/param/color.py`),
scaled so that luminance passes as it is.
"""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The shape of a generator. The sequences have one entry a scale, finest first; kernels are odd."""

    inputs: int
    outputs: int
    channels: Sequence[int]
    skip_channels: Sequence[int]
    kernels_down: Sequence[int]
    kernels_up: Sequence[int]
    upsampling: Literal["nearest", "bilinear"]
    padding: Literal["zero", "reflection"]
    colours: Literal["rgb", "decorrelated"]


def convolution(inputs: int, outputs: int, kernel: int, padding: str, rng: torch.Generator) -> nn.Conv2d:
    """A convolution that keeps the size, with PyTorch's default initial distribution drawn from `rng`."""
    conv = nn.Conv2d(
        inputs,
        outputs,
        kernel,
        padding=kernel // 2,
        padding_mode="reflect" if padding == "reflection" and kernel > 1 else "zeros",
        device="meta",  # PyTorch's own initialisation would draw from global random state
    ).to_empty(device="cpu")
    bound = 1 / math.sqrt(inputs * kernel**2)
    with torch.no_grad():
        for parameter in conv.parameters():
            parameter.uniform_(-bound, bound, generator=rng)
    return conv


def drawn_size(kernel: Tensor) -> float:
    """The root mean square of what `convolution` draws kernels `(outputs, inputs, k, k)` from."""
    return 1 / math.sqrt(3 * kernel[0].numel())


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm by the statistics of the one image it sees, in training and evaluation alike."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


class Layer(nn.Module):
    """Convolution, 2 × 2 average pooling where asked, batch norm, LeakyReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, padding: str, rng: torch.Generator, pool: bool = False
    ) -> None:
        super().__init__()
        self.conv = convolution(inputs, outputs, kernel, padding, rng)
        self.norm = batch_norm(outputs)
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if self.pool:
            x = F.avg_pool2d(x, 2)
        return F.leaky_relu(self.norm(x), LEAK, inplace=True)


class Scale(nn.Module):
    """One scale: a step down the encoder, its skip connection, and the step back up the decoder."""

    def __init__(self, architecture: Architecture, index: int, rng: torch.Generator) -> None:
        super().__init__()
        a = architecture
        inputs = a.channels[index - 1] if index else a.inputs
        width, skip = a.channels[index], a.skip_channels[index]
        below = a.channels[min(index + 1, len(a.channels) - 1)]
        down, up = a.kernels_down[index], a.kernels_up[index]
        self.upsampling = a.upsampling
        self.skip = Layer(inputs, skip, 1, a.padding, rng) if skip else None
        self.down = Layer(inputs, width, down, a.padding, rng, pool=True)
        self.deep = Layer(width, width, down, a.padding, rng)
        self.merge_norm = batch_norm(skip + below)
        self.up = Layer(skip + below, width, up, a.padding, rng)
        self.mix = Layer(width, width, 1, a.padding, rng)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """`(1, inputs, H, W)` to `(1, width, H/2, W/2)`, and what the skip carries at `H × W`."""
        return self.deep(self.down(x)), self.skip(x) if self.skip is not None else None

    def merge(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """Upsample `(1, below, H/2, W/2)` and join it to the skip: `(1, skip + below, H, W)`."""
        x = F.interpolate(x, scale_factor=2, mode=self.upsampling)
        return torch.cat([skip, x], dim=1) if skip is not None else x

    def decode(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """`(1, below, H/2, W/2)` and the skip to `(1, width, H, W)`."""
        x = self.merge_norm(self.merge(x, skip))
        return cast(Tensor, self.mix(self.up(x)))


class Generator(nn.Module):
    """A fixed input `(1, inputs, H, W)` to an image `(1, outputs, H, W)` in [0, 1].

    H and W are multiples of `2 ** scales`. Initial weights are drawn from `rng` alone.
    """

    colours: Tensor | None

    def __init__(self, architecture: Architecture, rng: torch.Generator) -> None:
        super().__init__()
        a = architecture
        self.scales = nn.ModuleList(Scale(a, i, rng) for i in range(len(a.channels)))
        self.output = convolution(a.channels[0], a.outputs, 1, a.padding, rng)
        decorrelated = a.colours == "decorrelated" and a.outputs == 3
        self.register_buffer(
            "colours", torch.tensor(NATURAL_COLOURS) if decorrelated else None, persistent=False
        )

    def forward(self, z: Tensor) -> Tensor:
        x, skips = z, []
        for scale in self.scales:
            x, skip = cast(Scale, scale).encode(x)
            skips.append(skip)
        for scale, skip in zip(reversed(self.scales), reversed(skips), strict=True):
            x = cast(Scale, scale).decode(x, skip)
        return self.to_image(self.output(x))

    def to_image(self, x: Tensor) -> Tensor:
        """The sigmoid, in no less than fp32: bf16 would step through the light half by 1/256."""
        x = x if x.dtype == torch.float64 else x.float()
        if self.colours is not None:
            x = (self.colours[:, :, None, None] * x[:, None]).sum(2)  # not a product that autocast rounds
        return torch.sigmoid(x)
