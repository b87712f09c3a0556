"""Drive a class up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from invert.errors import RequestError
from invert.objectives.drive_up import DriveUp
from invert.protocols import Activations, Network, Section

if TYPE_CHECKING:
    from typing_extensions import Self

OUTPUT = "output"
"""The layer name of a network's final output."""


@dataclass(frozen=True)
class OfClass(DriveUp):
    """A term about one class: `target` is its name, or its index."""

    target: str | int

    @property
    def section(self) -> Section:
        return "class"

    @property
    def layers(self) -> tuple[str, ...]:
        return (OUTPUT,)

    @property
    def target_index(self) -> int | None:
        return self.target if isinstance(self.target, int) else None

    @property
    def index(self) -> int:
        if isinstance(self.target, str):
            raise ValueError("bind the objective to a subject first: objective.bind(subject)")
        return self.target

    def bind(self, network: Network | None) -> Self:
        if network is None:
            raise RequestError(f"{self} needs a network")
        return replace(self, target=network.class_index(self.target))


@dataclass(frozen=True)
class ClassScore(OfClass):
    """Minus the class's logit, the score before softmax; or |value − logit| where `value` is given.

    The second is the published activation maximisation of Deep Image Prior (its notebook drives
    the logit to 300). `target` is a class name or an index.
    """

    value: float | None = None

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        logit = activations[OUTPUT].float()[:, self.index]
        return -logit if self.value is None else (self.value - logit).abs()

    def __str__(self) -> str:
        return f"class {self.target}"


@dataclass(frozen=True)
class ClassLogOdds(OfClass):
    """Minus the logarithm of the class's odds, p / (1 − p): its logit less the log-sum-exp of the others.

    The logit alone also rises with whatever raises every class, such as contrast and garish
    colours, and can leave another class ahead; the probability saturates as soon as the network
    is sure. This does neither. It counts up to `enough` (nats; `math.inf` for no end): what drives
    the odds further is overdrawn, and other networks recognise it no better. With random views
    each counts by itself, so that the doubtful ones decide, and the run ends when none is left.
    `target` is a class name or an index. With a single output it is that logit.
    """

    enough: float = 30.0

    @property
    def floor(self) -> float:
        return -self.enough

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        logits, target = activations[OUTPUT].float(), self.index
        odds = logits[:, target]
        if logits.shape[1] > 1:
            others = torch.cat([logits[:, :target], logits[:, target + 1 :]], dim=1)
            odds = odds - others.logsumexp(1)
        return -odds.clamp(max=self.enough)

    def __str__(self) -> str:
        return f"log-odds of class {self.target}"


@dataclass(frozen=True)
class ClassProbability(OfClass):
    """Minus the logarithm of the class's softmax probability. `target` is a class name or an index.

    It saturates as soon as the network is sure, often before anything is drawn; `ClassLogOdds` does not.
    """

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        return -activations[OUTPUT].float().log_softmax(1)[:, self.index]

    def __str__(self) -> str:
        return f"probability of class {self.target}"
