"""Match the features of a photo at a layer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from invert.errors import RequestError
from invert.objectives.algebra import Term
from invert.protocols import Activations, Kind

if TYPE_CHECKING:
    from invert.subjects import Subject


@dataclass(frozen=True)
class FeatureMatch(Term):
    """The normalised error ‖Φ(x) − Φ₀‖² / ‖Φ₀‖² at `layer`: 0 where the features agree, 1 for Φ(x) = 0.

    `photo` is a path, a PIL image, an array or a tensor. This is the loss of Mahendran and
    Vedaldi (IJCV 2016), without the square root that their tables print. `bind` raises
    `RequestError` where the layer's response to the photo is zero or not finite.
    """

    layer: str
    photo: Any = field(repr=False)
    target: Tensor | None = field(default=None, repr=False)
    """Φ₀, `(1, …)`: filled in by `bind`."""

    @property
    def kind(self) -> Kind:
        return "feature"

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        if self.target is None:
            raise RequestError("bind the objective to a subject first: objective.bind(subject)")
        return feature_error(activations[self.layer], self.target)

    def bind(self, subject: Subject) -> FeatureMatch:
        with torch.no_grad():
            image = subject.image(self.photo).to(subject.device)
            target = subject.activations(image, [self.layer])[self.layer].float()
        if not torch.isfinite(target).all():
            raise RequestError(f"layer {self.layer} is not finite for this photo: check the weights")
        if not target.any():
            raise RequestError(f"layer {self.layer} is zero everywhere for this photo: nothing to match")
        return replace(self, target=target)

    def __str__(self) -> str:
        return f"features at {self.layer}"


def feature_error(features: Tensor, target: Tensor) -> Tensor:
    """‖Φ − Φ₀‖² / ‖Φ₀‖² of features `(B, …)` against a target `(1, …)` or `(B, …)`: `(B,)`, in fp32."""
    difference = (features.float() - target).flatten(1).square().sum(1)
    return difference / target.flatten(1).square().sum(1)
