"""Drive a unit of a layer up: a channel, one neuron, or a direction in its space."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from invert.engine.views import IN_PLACE, RandomViews
from invert.errors import RequestError
from invert.objectives.drive_up import DriveUp
from invert.protocols import Activations, LayerShape, Network


@dataclass(frozen=True)
class Channel(DriveUp):
    """Minus the mean of one channel over its positions.

    Which axis counts channels the network says (`Layer.channel_axis`): the first in a convolution,
    the last in a transformer, whose maps may be `(B, H, W, C)`. `bind` raises `RequestError` for a
    channel that the layer does not have.
    """

    layer: str
    channel: int
    axis: int | None = field(default=None, repr=False)
    """The axis of the layer's value that counts channels, without the batch: filled in by `bind`."""

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        return -channels_first(activations[self.layer].float(), self.axis)[:, self.channel].flatten(1).mean(1)

    def bind(self, network: Network | None) -> Channel:
        axis, _ = _checked(network, self.layer, self.channel)
        return replace(self, axis=axis)

    def __str__(self) -> str:
        return f"{self.layer}:{self.channel}"


@dataclass(frozen=True)
class Neuron(DriveUp):
    """Minus one neuron: a channel at one position, the centre by default.

    `position` is (row, column) in a convolution, (token,) in a transformer, () in a fully
    connected layer. `bind` raises `RequestError` for a position that the layer does not have.
    """

    layer: str
    channel: int
    position: tuple[int, ...] | None = None
    axis: int | None = field(default=None, repr=False)

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    @property
    def in_place(self) -> bool:
        return True

    @property
    def views(self) -> RandomViews | None:
        return IN_PLACE

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        features = channels_first(activations[self.layer].float(), self.axis)[:, self.channel]
        position = self.position or tuple(size // 2 for size in features.shape[1:])
        for place in position:
            features = features[:, place]
        return -features

    def bind(self, network: Network | None) -> Neuron:
        axis, sizes = _checked(network, self.layer, self.channel)
        if self.position is not None and (
            len(self.position) != len(sizes)
            or not all(0 <= p < size for p, size in zip(self.position, sizes, strict=True))
        ):
            where = ",".join(map(str, self.position))
            extent = " × ".join(map(str, sizes)) or "a single value"
            raise RequestError(f"{self.layer} has no position {where}: a channel of it is {extent}")
        return replace(self, axis=axis)

    def __str__(self) -> str:
        at = "centre" if self.position is None else ",".join(map(str, self.position))
        return f"{self.layer}:{self.channel}@{at}"


@dataclass(frozen=True)
class Direction(DriveUp):
    """Minus the mean over positions of ⟨activation, direction⟩ / ‖direction‖, for a direction `(C,)`."""

    layer: str
    direction: tuple[float, ...]
    axis: int | None = field(default=None, repr=False)

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        features = channels_first(activations[self.layer].float(), self.axis).flatten(2)
        direction = torch.tensor(self.direction, dtype=features.dtype, device=features.device)
        return -torch.einsum("bcn,c->bn", features, direction / direction.norm()).mean(1)

    def bind(self, network: Network | None) -> Direction:
        layer = _layer(network, self.layer)
        channels = layer.shape[layer.channel_axis]
        if len(self.direction) != channels:
            raise RequestError(
                f"{self.layer} has {channels} channels, but the direction has {len(self.direction)} numbers"
            )
        if not any(self.direction):
            raise RequestError("the direction is zero: give at least one number that is not")
        return replace(self, axis=layer.channel_axis)

    def __str__(self) -> str:
        return f"a direction in {self.layer}"


def channels_first(features: Tensor, axis: int | None) -> Tensor:
    """Features with channels in dimension 1, `(B, C, …)`, and `(B, C)` as `(B, C, 1)`.

    `axis` counts channels, without the batch; None for an objective that is not bound, for which
    tokens `(B, N, C)` have them last and all else first.
    """
    if features.dim() == 2:
        return features[..., None]
    if axis is None:
        axis = 1 if features.dim() == 3 else 0
    return features.movedim(axis + 1, 1)


def _layer(network: Network | None, name: str) -> LayerShape:
    if network is None:
        raise RequestError(f"a unit of {name} needs a network")
    return network.layer(name)


def _checked(network: Network | None, name: str, channel: int) -> tuple[int, tuple[int, ...]]:
    """The axis of a layer's channels, and the sizes of one of them."""
    layer = _layer(network, name)
    sizes = list(layer.shape)
    channels = sizes.pop(layer.channel_axis)
    if not 0 <= channel < channels:
        raise RequestError(f"{name} has no unit {channel}: its units are 0 to {channels - 1}")
    return layer.channel_axis, tuple(sizes)
