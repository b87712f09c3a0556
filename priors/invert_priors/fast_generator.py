"""The generator of `invert_priors.generator`: the same function of the same parameters, with less work.

A k × k convolution followed by 2 × 2 average pooling is one convolution of stride 2, whose
(k+1) × (k+1) kernel is the mean of four copies of the k × k one, shifted by a pixel: that kernel,
pooled itself. Nearest upsampling followed by a convolution is its mirror image: one transposed
convolution of stride 2, whose kernel is the sum of the four copies. The skip, which is not the
same at the four pixels, is convolved by itself and added. Batch norm commutes with nearest
upsampling. Biases in front of a batch norm change nothing, so they are left out and get no
gradient.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invert_priors.generator import LEAK, Architecture, Generator, Layer, Scale

WORTHWHILE = 32
"""Steps between maps of which the larger has fewer pixels a side keep the plain form.

Composing the kernels costs there what it saves (measured at 224 px with 8, 16, 32 and 64).
"""


class FastGenerator(Generator):
    """`Generator` in fewer operations; exact for every setting, where no rewrite is exact the plain form.

    Its kernels lie channels last, as its maps do: otherwise every convolution would copy its own.
    """

    def __init__(self, architecture: Architecture, rng: torch.Generator) -> None:
        super().__init__(architecture, rng)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        x, skips = z, []
        for scale in cast("list[Scale]", self.scales):
            skips.append(carry(scale.skip, x) if scale.skip is not None else None)
            x = same(scale.deep, down(scale.down, x))
        for scale, skip in zip(reversed(cast("list[Scale]", self.scales)), reversed(skips), strict=True):
            x = same(scale.mix, up(scale, x, skip))
        return self.to_image(self.output(x))


def down(layer: Layer, x: Tensor) -> Tensor:
    """`layer`, which pools: `(1, inputs, H, W)` to `(1, outputs, H/2, W/2)`."""
    weight = layer.conv.weight
    if x.shape[-1] < WORTHWHILE:
        return activate(layer, F.avg_pool2d(convolve(layer.conv, x, weight), 2))
    mean_of_copies = F.avg_pool2d(weight, 2, stride=1, padding=1)
    return activate(layer, convolve(layer.conv, x, mean_of_copies, stride=2))


def same(layer: Layer, x: Tensor) -> Tensor:
    """`layer`, which keeps the size."""
    return activate(layer, convolve(layer.conv, x, layer.conv.weight))


def carry(layer: Layer, x: Tensor) -> Tensor:
    """The skip's `layer`. Its channels lie one after the other: so few of them are normalised faster so."""
    return activate(layer, convolve(layer.conv, x, layer.conv.weight).contiguous())


def up(scale: Scale, x: Tensor, skip: Tensor | None) -> Tensor:
    """Upsample `(1, below, H/2, W/2)`, merge with the skip, convolve: `(1, width, H, W)`."""
    conv, norm = scale.up.conv, scale.merge_norm
    carried = skip.shape[1] if skip is not None else 0
    weight = conv.weight[:, carried:]
    exact = scale.upsampling == "nearest" and conv.padding_mode == "zeros"
    if exact and 2 * x.shape[-1] >= WORTHWHILE:
        mirrored = channels_last(weight.transpose(0, 1).flip(2, 3))
        sum_of_copies = F.avg_pool2d(mirrored, 2, stride=1, padding=1, divisor_override=1)
        x = normalise(x, norm, slice(carried, None))
        x = F.conv_transpose2d(x, sum_of_copies, stride=2, padding=conv.kernel_size[0] // 2)
    else:
        with torch.autocast(x.device.type, enabled=False):  # which would interpolate in fp32
            x = F.interpolate(x, scale_factor=2, mode=scale.upsampling)
        x = convolve(conv, normalise(x, norm, slice(carried, None)), weight)
    if skip is not None:
        skip = channels_last(normalise(skip, norm, slice(carried)))
        x = x + convolve(conv, skip, conv.weight[:, :carried])
    return activate(scale.up, x)


def convolve(conv: nn.Conv2d, x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """`conv` with another kernel, and without its bias."""
    padding = conv.kernel_size[0] // 2
    if conv.padding_mode == "zeros":
        return F.conv2d(x, weight, stride=stride, padding=padding)
    with torch.autocast(x.device.type, enabled=False):  # which would pad in fp32
        x = F.pad(x, [padding] * 4, mode="reflect")
    return F.conv2d(x, weight, stride=stride)


def activate(layer: Layer, x: Tensor) -> Tensor:
    return F.leaky_relu(layer.norm(x), LEAK, inplace=True)


def normalise(x: Tensor, norm: nn.BatchNorm2d, channels: slice) -> Tensor:
    """Batch norm of some of the channels of `norm`."""
    return F.batch_norm(x, None, None, norm.weight[channels], norm.bias[channels], True, 0.0, norm.eps)


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
