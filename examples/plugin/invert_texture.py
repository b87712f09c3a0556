"""`texture`: what goes together in a layer, wherever it lies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from invert import Objective, RequestError
from invert.protocols import Activations, Network


@dataclass(frozen=True)
class Texture(Objective):
    """‖G(x) − G₀‖² / ‖G₀‖² for the Gram matrix G of a layer's channels, which forgets the places.

    Gatys, Ecker, Bethge: "Texture Synthesis Using Convolutional Neural Networks", NeurIPS 2015.
    """

    layer: str
    photo: Any = field(repr=False)
    target: Tensor | None = field(default=None, repr=False, compare=False)
    """G₀, `(1, C, C)`: filled in by `bind`."""

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    @property
    def original(self) -> Any:
        return self.photo

    def bind(self, network: Network | None) -> Texture:
        if network is None:
            raise RequestError("a texture needs a network")
        if len(network.layer(self.layer).shape) != 3:
            raise RequestError(f"{self.layer} has no places: name a layer with feature maps")
        photo = network.image(self.photo).to(network.device)
        with torch.no_grad():
            target = gram(network.activations(photo, [self.layer])[self.layer])
        return replace(self, photo=photo, target=target)

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        if self.target is None:
            raise RequestError("bind the objective to a subject first: objective.bind(subject)")
        difference = gram(activations[self.layer]) - self.target
        return difference.square().sum((1, 2)) / self.target.square().sum()

    def error(self, image: Tensor, activations: Activations) -> Tensor:
        return self(image, activations)


def gram(features: Tensor) -> Tensor:
    """Means over places of products of channels: `(B, C, h, w)` to `(B, C, C)`, in fp32."""
    flat = features.float().flatten(2)
    return flat @ flat.mT / flat.shape[-1]
