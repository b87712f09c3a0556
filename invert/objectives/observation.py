"""Agree with what was observed of a picture."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from invert import images
from invert.errors import RequestError
from invert.objectives.feature_match import feature_error
from invert.protocols import Activations, Network, Objective, Observer, Operator, Section, Shape


@dataclass(frozen=True, eq=False)
class Observation(Objective):
    """The normalised error ‖A(x) − y‖² / ‖y‖² for what the operator A shows of `photo`.

    It reads no network, and is about a picture of the photo's own size; beside terms that read one, of
    the network's. What is random in A (which pixels, the noise) is drawn from `seed`, so that it is
    the same for every run. `bind` raises `RequestError` for a photo of which nothing is seen.
    """

    operator: Operator
    photo: Any = field(repr=False)
    seed: int = 0
    observer: Observer | None = field(default=None, repr=False)
    """A for pictures of this size: filled in by `bind`, as is `target`."""
    target: Tensor | None = field(default=None, repr=False)
    """y, `(1, …)`."""

    @property
    def layers(self) -> tuple[str, ...]:
        return ()

    @property
    def original(self) -> Any | None:
        return self.photo

    @property
    def shape(self) -> Shape | None:
        """None before it is bound: the photo is read then."""
        if self.target is None:
            return None
        channels, height, width = self.photo.shape[1:]
        return channels, height, width

    @property
    def preset(self) -> str | None:
        return "restoration"

    @property
    def section(self) -> Section:
        return "restoration"

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        if self.observer is None or self.target is None:
            raise RequestError("bind the objective first: objective.bind(None)")
        return feature_error(self.observer(image), self.target)

    def error(self, image: Tensor, activations: Activations) -> Tensor:
        return self(image, activations)

    def bind(self, network: Network | None) -> Observation:
        picture = images.to_float(self.photo) if network is None else network.image(self.photo)
        channels, height, width = picture.shape[1:]
        rng = torch.Generator().manual_seed(self.seed)
        observer = self.operator.start((channels, height, width), rng).to(picture.device)
        with torch.no_grad():
            target = observer.observe(picture).float()
        if not target.numel() or not target.any():
            raise RequestError(
                f"{self}: nothing is seen of this photo (it is black, or all of it is missing)"
            )
        return replace(self, photo=picture, observer=observer, target=target)

    @property
    def seen(self) -> Tensor:
        """What was observed, as a picture `(1, C, H, W)`; for a bound one."""
        observer, target = self._bound
        return observer.seen(target)

    def consistent(self, image: Tensor) -> Tensor:
        """`image` `(B, C, H, W)` made to agree with what is known; for a bound one."""
        observer, target = self._bound
        with torch.no_grad():
            return observer.consistent(image, target).clamp(0, 1)

    @property
    def _bound(self) -> tuple[Observer, Tensor]:
        if self.observer is None or self.target is None:
            raise RequestError("bind the objective first: objective.bind(None)")
        return self.observer, self.target

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Observation) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @cached_property
    def _identity(self) -> tuple[Any, ...]:
        return self.operator, images.fingerprint(self.photo), self.seed, self.target is not None

    def __str__(self) -> str:
        return f"a picture seen through {self.operator.name}"
