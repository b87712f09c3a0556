"""`silence`: what leaves a layer cold?"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from invert import Objective
from invert.protocols import Activations


@dataclass(frozen=True)
class Silence(Objective):
    """Mean absolute activation of a layer, to be lowered."""

    layer: str

    @property
    def layers(self) -> tuple[str, ...]:
        return (self.layer,)

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        return activations[self.layer].abs().flatten(1).mean(1)
