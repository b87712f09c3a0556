"""What of the steps is the picture: one small module each, whose buffers are all it knows."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from invert.engine.stopping import put
from invert.protocols import Now
from invert.settings import KEEP

DECAY = 0.99
"""How much of its past `smoothed` keeps at each step."""


class Keeper(nn.Module, ABC):
    """`picture` `(B, C, H, W)`, and the `step` `(B,)` it is of, 0 as long as there is none."""

    picture: Tensor
    step: Tensor

    def __init__(self, image: Tensor, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.register_buffer("picture", image.clone())
        self.register_buffer("step", torch.zeros(len(image), dtype=torch.long, device=image.device))

    @abstractmethod
    def forward(self, now: Now, valid: Tensor, final: Tensor) -> None:
        """Take a step in, for problems that are `valid` `(B,)`; `final` where one ends with its picture."""

    def _keep(self, where: Tensor, image: Tensor, now: Now) -> None:
        put(self.picture, where[:, None, None, None], image)
        put(self.step, where, now.step)


class Best(Keeper):
    """The step of the least loss + penalty, in their running mean; or that which a stop asked for."""

    mean: Tensor

    def __init__(self, image: Tensor, steps: int) -> None:
        super().__init__(image, steps)
        self.register_buffer("mean", torch.full((len(image),), math.inf, device=image.device))

    def forward(self, now: Now, valid: Tensor, final: Tensor) -> None:
        better = valid & ((now.mean < self.mean) | final)
        self._keep(better, now.image, now)
        put(self.mean, better, now.mean)


class Last(Keeper):
    """The last step whose loss was finite."""

    def forward(self, now: Now, valid: Tensor, final: Tensor) -> None:
        self._keep(valid, now.image, now)


class Mean(Keeper):
    """The mean of all steps of the second half; before it, the last."""

    count: Tensor

    def __init__(self, image: Tensor, steps: int) -> None:
        super().__init__(image, steps)
        self.register_buffer("count", torch.zeros(len(image), device=image.device))

    def forward(self, now: Now, valid: Tensor, final: Tensor) -> None:
        self.count += valid & (now.step > self.steps // 2)
        share = 1 / self.count.clamp(min=1)[:, None, None, None]
        self._keep(valid, self.picture + share * (now.image - self.picture), now)


class Smoothed(Keeper):
    """The running mean of the steps, which keeps 0.99 of its past at each (more of the first few)."""

    count: Tensor

    def __init__(self, image: Tensor, steps: int) -> None:
        super().__init__(image, steps)
        self.register_buffer("count", torch.zeros(len(image), device=image.device))

    def forward(self, now: Now, valid: Tensor, final: Tensor) -> None:
        self.count += valid
        # Weights as of an average that began with nothing: the start is no step.
        share = (1 - DECAY) / (1 - DECAY ** self.count.clamp(min=1))[:, None, None, None]
        self._keep(valid, self.picture + share * (now.image - self.picture), now)


KEEPERS: Mapping[str, Callable[[Tensor, int], Keeper]] = dict(
    zip(KEEP, (Best, Last, Mean, Smoothed), strict=True)
)
"""By the names that `Prior.keep` takes."""
