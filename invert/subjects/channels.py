"""Which axis of a layer's value counts its channels: networks differ, and so do layers of one network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

FIRST = 0

CHANNELS_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.GroupNorm,
    nn.LocalResponseNorm,
)
"""What computes on `(B, C, …)` and nothing else."""


def channel_axis(
    module: nn.Module, shape: tuple[int, ...], before: Mapping[tuple[int, ...], int], picture: tuple[int, int]
) -> int:
    """The axis of `shape` (a value without its batch) that counts channels.

    Convolutions and poolings have them first, linear layers and layer norms last. Another module has
    them where the last layer of its shape `before` it had them. Failing that, a map's sides are those
    that lie as the `picture`'s (height, width) do; tokens have their channels last.
    """
    if isinstance(module, CHANNELS_FIRST):
        return FIRST
    if isinstance(module, (nn.Linear, nn.LayerNorm)) and _features(module) == shape[-1]:
        also_first = _features(module) == shape[0] and "2d" in type(module).__name__
        return FIRST if also_first else len(shape) - 1
    if shape in before:
        return before[shape]
    if len(shape) == 3:
        last = _alike(shape[:2], picture) and not _alike(shape[1:], picture)
        return 2 if last else FIRST
    return len(shape) - 1 if len(shape) == 2 else FIRST


def _features(module: nn.Linear | nn.LayerNorm) -> int:
    return module.out_features if isinstance(module, nn.Linear) else module.normalized_shape[-1]


def _alike(sides: tuple[int, ...], picture: tuple[int, int]) -> bool:
    """Whether a map of these sides has the picture's proportions, to a place."""
    (h, w), (height, width) = sides, picture
    return h <= height and w <= width and abs(h * width - w * height) < max(height, width)
