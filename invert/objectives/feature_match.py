"""Match the features of a photo at a layer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from invert.errors import RequestError
from invert.images import fingerprint
from invert.protocols import Activations, Network, Objective


@dataclass(frozen=True, eq=False)
class FeatureMatch(Objective):
    """The normalised error ‖Φ(x) − Φ₀‖² / ‖Φ₀‖² at `layer`: 0 where the features agree, 1 for Φ(x) = 0.

    `photo` is a path, a PIL image, an array or a tensor. This is the loss of Mahendran and
    Vedaldi (IJCV 2016), without the square root that their tables print. `bind` raises
    `RequestError` where the layer's response to the photo is zero or not finite. Two are equal
    where layer, photo (by its values; a path by its name) and target features are.
    """

    layer: str
    photo: Any = field(repr=False)
    target: Tensor | None = field(default=None, repr=False)
    """Φ₀, `(1, …)`: filled in by `bind`."""

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    @property
    def original(self) -> Any | None:
        return self.photo

    @property
    def preset(self) -> str | None:
        return "inversion"

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        if self.target is None:
            raise RequestError("bind the objective to a subject first: objective.bind(subject)")
        return feature_error(activations[self.layer], self.target)

    def error(self, image: Tensor, activations: Activations) -> Tensor:
        return self(image, activations)

    def bind(self, network: Network | None) -> FeatureMatch:
        if network is None:
            raise RequestError(f"{self} needs a network")
        with torch.no_grad():
            image = network.image(self.photo).to(network.device)
            target = network.activations(image, [self.layer])[self.layer].float()
        if not torch.isfinite(target).all():
            raise RequestError(f"layer {self.layer} is not finite for this photo: check the weights")
        if not target.any():
            raise RequestError(f"layer {self.layer} is zero everywhere for this photo: nothing to match")
        return replace(self, photo=image, target=target)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FeatureMatch) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @cached_property
    def _identity(self) -> tuple[str, str, str | None]:
        return self.layer, fingerprint(self.photo), None if self.target is None else fingerprint(self.target)

    def __str__(self) -> str:
        return f"features at {self.layer}"


def feature_error(features: Tensor, target: Tensor) -> Tensor:
    """‖Φ − Φ₀‖² / ‖Φ₀‖² of features `(B, …)` against a target `(1, …)` or `(B, …)`: `(B,)`, in fp32."""
    difference = (features.float() - target).flatten(1).square().sum(1)
    return difference / target.flatten(1).square().sum(1)
