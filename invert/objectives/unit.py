"""Drive a unit of a layer up: a channel, one neuron, or a direction in its space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from invert.errors import RequestError
from invert.objectives.algebra import Term
from invert.protocols import Activations, Kind

if TYPE_CHECKING:
    from invert.subjects import Subject


@dataclass(frozen=True)
class Channel(Term):
    """Minus the mean of one channel over its positions.

    A convolution's channels are dimension 1 of `(B, C, H, W)`, a transformer's the last of
    `(B, tokens, C)`, a fully connected layer's dimension 1 of `(B, C)`. `bind` raises
    `RequestError` for a channel that the layer does not have.
    """

    layer: str
    channel: int

    @property
    def kind(self) -> Kind:
        return "unit"

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        return -channels_first(activations[self.layer].float())[:, self.channel].flatten(1).mean(1)

    def bind(self, subject: Subject) -> Channel:
        _check_channel(subject, self.layer, self.channel)
        return self

    def __str__(self) -> str:
        return f"{self.layer}:{self.channel}"


@dataclass(frozen=True)
class Neuron(Term):
    """Minus one neuron: a channel at one position, the centre by default.

    `position` is (row, column) in a convolution, (token,) in a transformer, () in a fully
    connected layer. `bind` raises `RequestError` for a position that the layer does not have.
    """

    layer: str
    channel: int
    position: tuple[int, ...] | None = None

    @property
    def kind(self) -> Kind:
        return "unit"

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    @property
    def in_place(self) -> bool:
        return True

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        features = channels_first(activations[self.layer].float())[:, self.channel]
        position = self.position or tuple(size // 2 for size in features.shape[1:])
        for place in position:
            features = features[:, place]
        return -features

    def bind(self, subject: Subject) -> Neuron:
        sizes = _check_channel(subject, self.layer, self.channel)
        if self.position is not None and (
            len(self.position) != len(sizes)
            or not all(0 <= p < size for p, size in zip(self.position, sizes, strict=True))
        ):
            where = ",".join(map(str, self.position))
            extent = " × ".join(map(str, sizes)) or "a single value"
            raise RequestError(f"{self.layer} has no position {where}: a channel of it is {extent}")
        return self

    def __str__(self) -> str:
        at = "centre" if self.position is None else ",".join(map(str, self.position))
        return f"{self.layer}:{self.channel}@{at}"


@dataclass(frozen=True)
class Direction(Term):
    """Minus the mean over positions of ⟨activation, direction⟩ / ‖direction‖, for a direction `(C,)`."""

    layer: str
    direction: tuple[float, ...]

    @property
    def kind(self) -> Kind:
        return "unit"

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        features = channels_first(activations[self.layer].float()).flatten(2)
        direction = torch.tensor(self.direction, dtype=features.dtype, device=features.device)
        return -torch.einsum("bcn,c->bn", features, direction / direction.norm()).mean(1)

    def bind(self, subject: Subject) -> Direction:
        channels = channels_first(torch.empty(1, *subject.layer(self.layer).shape)).shape[1]
        if len(self.direction) != channels:
            raise RequestError(
                f"{self.layer} has {channels} channels, but the direction has {len(self.direction)} numbers"
            )
        if not any(self.direction):
            raise RequestError("the direction is zero: give at least one number that is not")
        return self

    def __str__(self) -> str:
        return f"a direction in {self.layer}"


def channels_first(features: Tensor) -> Tensor:
    """`(B, C, H, W)` as it is, `(B, C)` as `(B, C, 1)`, tokens `(B, N, C)` as `(B, C, N)`."""
    if features.dim() == 2:
        return features[..., None]
    return features.movedim(-1, 1) if features.dim() == 3 else features


def _check_channel(subject: Subject, layer: str, channel: int) -> tuple[int, ...]:
    shape = subject.layer(layer).shape
    channels, *sizes = channels_first(torch.empty(1, *shape, device="meta")).shape[1:]
    if not 0 <= channel < channels:
        raise RequestError(f"{layer} has no unit {channel}: its units are 0 to {channels - 1}")
    return tuple(sizes) if len(shape) > 1 else ()
