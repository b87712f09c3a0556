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

KEPT_BACK = 2**20
"""From the seed of what is random in A to that of what is kept back."""


@dataclass(frozen=True, eq=False)
class Observation(Objective):
    """The normalised error ‖A(x) − y‖² / ‖y‖² for what the operator A shows of a picture.

    Either of `photo`, whose y is computed; or y was measured elsewhere: then it is `observed`, a
    picture that shows it (whole, with holes of any content, or small), or a tensor `(1, …)` of what A
    gives, and `photo` is the truth to measure by, if there is one.

    It reads no network, and is about a picture of the photo's own size; beside terms that read one, of
    the network's. Of something measured it is about a picture of `shape` (C, H, W), by default what the
    operator says of a picture as large as `observed`. What is random in A (which pixels, the noise) is
    drawn from `seed`, so that it is the same for every run. `bind` raises `RequestError` where nothing
    is seen, and where sizes do not fit.
    """

    operator: Operator
    photo: Any = field(default=None, repr=False)
    seed: int = 0
    observed: Any = field(default=None, repr=False)
    shape: Shape | None = None
    """Of the picture: filled in by `bind`."""
    observer: Observer | None = field(default=None, repr=False)
    """A for pictures of this size: filled in by `bind`, as is `target`."""
    target: Tensor | None = field(default=None, repr=False)
    """y, `(1, …)`."""
    kept_back: Tensor | None = field(default=None, repr=False)
    """Which of y's values are not looked at, `(1, …)` bool: filled in by `keeping_back`."""

    @property
    def layers(self) -> tuple[str, ...]:
        return ()

    @property
    def original(self) -> Any | None:
        return self.photo

    @property
    def preset(self) -> str | None:
        return self.operator.preset

    @property
    def section(self) -> Section:
        return "restoration"

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        return self._error(image, None if self.kept_back is None else ~self.kept_back)

    def error(self, image: Tensor, activations: Activations) -> Tensor:
        return self(image, activations)

    def keeping_back(self, share: float) -> Observation:
        """Drawn from its own seed; of what has channels, the same in all of them."""
        _, target = self._bound
        places = (1, 1, *target.shape[2:]) if target.ndim > 2 else target.shape
        drawn = torch.rand(places, generator=torch.Generator().manual_seed(self.seed + KEPT_BACK))
        count = max(1, round(share * drawn.numel()))
        if count >= drawn.numel():
            raise RequestError(
                f"{self}: {share:g} of what was observed is all of it: keep back a smaller share"
            )
        kept_back = drawn <= drawn.flatten().kthvalue(count).values
        return replace(self, kept_back=kept_back.to(target.device))

    def error_kept_back(self, image: Tensor) -> Tensor:
        return (
            super().error_kept_back(image) if self.kept_back is None else self._error(image, self.kept_back)
        )

    def _error(self, image: Tensor, where: Tensor | None) -> Tensor:
        """The error of what lies there; of all for None."""
        observer, target = self._bound
        with torch.autocast(image.device.type, enabled=False):  # what was measured is exact
            fitted = observer.fitted(image.float(), target)
            if where is None:
                return feature_error(fitted, target)
            return feature_error(torch.where(where, fitted, target), target) / where.float().mean()

    def bind(self, network: Network | None) -> Observation:
        if self.photo is None and self.observed is None:
            raise RequestError(f"{self}: give it a photo to look at, or observed=… for what was measured")
        photo = self.photo
        if photo is not None:
            photo = images.to_float(photo) if network is None else network.image(photo)
        shape = self._shape_of(photo)
        observer = self.operator.start(shape, torch.Generator().manual_seed(self.seed))
        device = torch.device("cpu") if network is None else network.device
        observer = observer.to(device if photo is None else photo.device)
        with torch.no_grad():
            target = observer.observe(photo) if self.observed is None else self._measured(observer, shape)
        if not target.isfinite().all():
            raise RequestError(f"{self}: what was observed holds NaN or infinity")
        if not target.numel() or not target.any():
            raise RequestError(
                f"{self}: nothing is seen of this photo (it is black, or all of it is missing)"
            )
        return replace(self, photo=photo, shape=shape, observer=observer, target=target.float())

    def to(self, device: torch.device) -> Observation:
        """A bound one, for pictures on a device."""
        observer, target = self._bound
        photo = self.photo.to(device) if isinstance(self.photo, Tensor) else self.photo
        return replace(self, photo=photo, observer=observer.to(device), target=target.to(device))

    def _shape_of(self, photo: Tensor | None) -> Shape:
        """(C, H, W) of the picture, by all that says so."""
        told = self.shape
        if told is None and self.observed is not None and self.photo is None:
            told = self.operator.shape_of(_shape(images.to_float(self.observed)))
        if photo is None:
            assert told is not None
            return told
        if told is not None and told != _shape(photo):
            raise RequestError(f"{self}: the truth is {sized(_shape(photo))}, the picture {sized(told)}")
        return _shape(photo)

    def _measured(self, observer: Observer, shape: Shape) -> Tensor:
        """y, of what was measured elsewhere of a picture of `shape`."""
        like = next(iter(observer.buffers()), torch.empty(0))
        expected = observer(torch.zeros(1, *shape, device=like.device))
        if isinstance(self.observed, Tensor) and self.observed.shape == expected.shape:
            return self.observed.to(like.device)
        given = images.to_float(self.observed).to(like.device)
        wanted = _shape(expected if expected.ndim == 4 else observer.seen(expected))
        if _shape(given) != wanted or (measured := observer.measured(given)).shape != expected.shape:
            raise RequestError(
                f"{self}: what was observed is {sized(_shape(given))}, and of a picture of {sized(shape)} it "
                f"would be {sized(wanted)}"
            )
        return measured

    @property
    def noise(self) -> float | None:
        if self.observer is None or self.target is None:
            return None
        level = self.observer.noise_level(self.target)
        return level**2 * self.target.numel() / float(self.target.square().sum()) if level else None

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

    def finished(self, image: Tensor) -> Tensor:
        """The result `(B, C, H, W)`, of what a prior drew: joined with what else is estimated, once, and
        made to agree with what is known; for a bound one."""
        observer, target = self._bound
        with torch.no_grad():
            return self.consistent(observer.joined(image, target))

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
        pictures = (None if p is None else images.fingerprint(p) for p in (self.photo, self.observed))
        return self.operator, *pictures, self.shape, self.seed, self.target is not None

    def __str__(self) -> str:
        return f"a picture seen through {self.operator.name}"


def _shape(picture: Tensor) -> Shape:
    channels, height, width = picture.shape[1:]
    return channels, height, width


def sized(shape: Shape) -> str:
    """Width and height as people say them."""
    return f"{shape[2]} × {shape[1]} ({'grey' if shape[0] == 1 else f'{shape[0]} channels'})"
