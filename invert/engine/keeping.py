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

    averages = False
    """Whether noise in the steps is averaged out, so that none of them need be drawn again without it."""

    picture: Tensor
    step: Tensor

    def __init__(self, image: Tensor, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.register_buffer("picture", image.clone())
        self.register_buffer("step", torch.zeros(len(image), dtype=torch.long, device=image.device))

    @abstractmethod
    def forward(self, now: Now, valid: Tensor) -> None:
        """Take a step in, for problems that are `valid` `(B,)`."""

    def end(self, now: Now, final: Tensor) -> None:
        """The problems that are `final` `(B,)` end with the picture of this step."""

    def _keep(self, where: Tensor, image: Tensor, now: Now) -> None:
        put(self.picture, where[:, None, None, None], image)
        put(self.step, where, now.step)


class Best(Keeper):
    """The step of the least loss + penalty, in their running mean; or that which a stop asked for."""

    mean: Tensor

    def __init__(self, image: Tensor, steps: int) -> None:
        super().__init__(image, steps)
        self.register_buffer("mean", torch.full((len(image),), math.inf, device=image.device))

    def forward(self, now: Now, valid: Tensor) -> None:
        self._take(valid & (now.mean < self.mean), now)

    def end(self, now: Now, final: Tensor) -> None:
        self._take(final, now)

    def _take(self, where: Tensor, now: Now) -> None:
        self._keep(where, now.image, now)
        put(self.mean, where, now.mean)


class Last(Keeper):
    """The last step whose loss was finite."""

    def forward(self, now: Now, valid: Tensor) -> None:
        self._keep(valid, now.image, now)


class Mean(Keeper):
    """The mean of all steps of the second half; before it, the last."""

    count: Tensor

    def __init__(self, image: Tensor, steps: int) -> None:
        super().__init__(image, steps)
        self.register_buffer("count", torch.zeros(len(image), device=image.device))

    def forward(self, now: Now, valid: Tensor) -> None:
        self.count += valid & (now.step > self.steps // 2)
        share = 1 / self.count.clamp(min=1)[:, None, None, None]
        self._keep(valid, self.picture + share * (now.image - self.picture), now)


class Smoothed(Keeper):
    """The running mean of the steps, which keeps 0.99 of its past at each (more of the first few)."""

    averages = True

    count: Tensor

    def __init__(self, image: Tensor, steps: int) -> None:
        super().__init__(image, steps)
        self.register_buffer("count", torch.zeros(len(image), device=image.device))

    def forward(self, now: Now, valid: Tensor) -> None:
        self.count += valid
        # Weights as of an average that began with nothing: the start is no step.
        share = (1 - DECAY) / (1 - DECAY ** self.count.clamp(min=1))[:, None, None, None]
        self._keep(valid, self.picture + share * (now.image - self.picture), now)


class Chosen(nn.Module):
    """What a keeper had at the last step that a stop chose; before the first, what it has."""

    picture: Tensor
    step: Tensor
    made: Tensor

    def __init__(self, keeper: Keeper) -> None:
        super().__init__()
        self.register_buffer("picture", keeper.picture.clone())
        self.register_buffer("step", keeper.step.clone())
        self.register_buffer("made", torch.zeros_like(keeper.step, dtype=torch.bool))

    def forward(self, keeper: Keeper, valid: Tensor, chosen: Tensor) -> None:
        self.made |= valid & chosen
        where = valid & (chosen | ~self.made)
        put(self.picture, where[:, None, None, None], keeper.picture)
        put(self.step, where, keeper.step)


KEEPERS: Mapping[str, Callable[[Tensor, int], Keeper]] = dict(
    zip(KEEP, (Best, Last, Mean, Smoothed), strict=True)
)
"""By the names that `Prior.keep` takes."""
