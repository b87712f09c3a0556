"""When the pictures of successive steps differ least: the structure is drawn, and the noise is not yet.

Wang, Li, Zhuang, Chen, Liang, Sun: "Early Stopping for Deep Image Prior", TMLR 2023. No truth and no
noise level is asked for. Variances are means over pixels and channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from invert.engine.stopping import put
from invert.protocols import Criterion, Now, Stop


@dataclass(frozen=True, kw_only=True)
class WindowedVariance(Stop):
    """ES-WMV: the variance of the last `window` pictures has not been lower for `patience` steps.

    The picture is that of the step at which it was lowest. It holds `window` pictures a problem: 315 MB
    for 100 of 512 × 512 in colour.
    """

    name: ClassVar[str] = "wmv"

    window: int = 100
    patience: int = 1000

    def __post_init__(self) -> None:
        if self.window < 2:
            raise ValueError(f"window is {self.window}: it must be 2 or more")
        _check_patience(self.patience)

    def start(self, image: Tensor) -> Criterion:
        return Windowed(self, image)


@dataclass(frozen=True, kw_only=True)
class ExponentialVariance(Stop):
    """ES-EMV: the exponential moving variance has not been lower for `patience` steps.

    The picture is that of the step at which it was lowest. Each step counts `alpha`, the past the rest;
    the first `after` steps, while it grows from nothing, are not looked at. It holds one picture.
    """

    name: ClassVar[str] = "emv"

    alpha: float = 0.1
    after: int = 100
    patience: int = 1000

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha is {self.alpha}: it must lie between 0 and 1")
        if self.after < 1:
            raise ValueError(f"after is {self.after}: it must be 1 or more")
        _check_patience(self.patience)

    def start(self, image: Tensor) -> Criterion:
        return Exponential(self, image)


class Least(Criterion):
    """Ends a problem `patience` steps after the least of a number, and chooses the picture of that step."""

    least: Tensor
    since: Tensor
    newest: Tensor

    def __init__(self, patience: int, image: Tensor) -> None:
        super().__init__()
        self.patience = patience
        problems, device = len(image), image.device
        self.register_buffer("least", torch.full((problems,), math.inf, dtype=torch.float64, device=device))
        self.register_buffer("since", torch.zeros(problems, dtype=torch.long, device=device))
        self.register_buffer("newest", torch.zeros(problems, dtype=torch.bool, device=device))

    def chosen(self) -> Tensor:
        return self.newest

    def judge(self, variance: Tensor, counts: Tensor, now: Now) -> Tensor:
        """Take in the number `(B,)` of this step, if it `counts` `(1,)`."""
        self.newest.copy_(counts & (variance < self.least))
        put(self.least, self.newest, variance)
        put(self.since, self.newest, now.step)
        return self.least.isfinite() & (now.step - self.since >= self.patience)


class Windowed(Least):
    """The variance from the sum of the pictures and of their squares, kept up to date in fp64: a step
    costs three pictures, not `window`."""

    pictures: Tensor
    total: Tensor
    squares: Tensor

    def __init__(self, settings: WindowedVariance, image: Tensor) -> None:
        super().__init__(settings.patience, image)
        self.window = settings.window
        self.register_buffer("pictures", image.new_zeros(self.window, *image.shape))
        self.register_buffer("total", torch.zeros_like(image, dtype=torch.float64))
        self.register_buffer(
            "squares", torch.zeros(self.window, len(image), dtype=torch.float64, device=image.device)
        )

    def forward(self, now: Now) -> Tensor:
        place = (now.step - 1) % self.window
        image = now.image.double()
        self.total += image - self.pictures.index_select(0, place)[0]
        self.pictures.index_copy_(0, place, now.image[None])
        self.squares.index_copy_(0, place, _mean(image.square())[None])
        variance = self.squares.mean(0) - _mean((self.total / self.window).square())
        return self.judge(variance, now.step >= self.window, now)


class Exponential(Least):
    mean: Tensor
    variance: Tensor

    def __init__(self, settings: ExponentialVariance, image: Tensor) -> None:
        super().__init__(settings.patience, image)
        self.alpha, self.after = settings.alpha, settings.after
        self.register_buffer("mean", torch.zeros_like(image, dtype=torch.float64))
        self.register_buffer("variance", torch.zeros(len(image), dtype=torch.float64, device=image.device))

    def forward(self, now: Now) -> Tensor:
        image = now.image.double()
        put(self.mean, now.step == 1, image)
        away = image - self.mean
        self.mean += self.alpha * away
        self.variance.copy_((1 - self.alpha) * (self.variance + self.alpha * _mean(away.square())))
        return self.judge(self.variance, now.step > self.after, now)


def _mean(values: Tensor) -> Tensor:
    """Over all but the first axis."""
    return values.flatten(1).mean(1)


def _check_patience(patience: int) -> None:
    if patience < 1:
        raise ValueError(f"patience is {patience}: it must be 1 or more")
