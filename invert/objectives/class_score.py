"""Drive a class up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from invert.objectives.algebra import Term
from invert.protocols import Activations, Kind

if TYPE_CHECKING:
    from invert.subjects import Subject

OUTPUT = "output"
"""The layer name of a network's final output."""


@dataclass(frozen=True)
class ClassScore(Term):
    """Minus the class's logit, the score before softmax; or |value − logit| where `value` is given.

    The second is the published activation maximisation of Deep Image Prior (its notebook drives
    the logit to 300). `target` is a class name or an index.
    """

    target: str | int
    value: float | None = None

    @property
    def kind(self) -> Kind:
        return "class"

    @property
    def layers(self) -> tuple[str, ...]:
        return (OUTPUT,)

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        logit = activations[OUTPUT].float()[:, _bound(self.target)]
        return -logit if self.value is None else (self.value - logit).abs()

    def bind(self, subject: Subject) -> ClassScore:
        return replace(self, target=subject.class_index(self.target))

    def __str__(self) -> str:
        return f"class {self.target}"


@dataclass(frozen=True)
class ClassLogOdds(Term):
    """Minus the logarithm of the class's odds, p / (1 − p): its logit less the log-sum-exp of the others.

    The logit alone also rises with whatever raises every class, such as contrast and garish
    colours, and can leave another class ahead; the probability saturates as soon as the network
    is sure. This does neither. `target` is a class name or an index. With a single output it is
    that logit.
    """

    target: str | int

    @property
    def kind(self) -> Kind:
        return "class"

    @property
    def layers(self) -> tuple[str, ...]:
        return (OUTPUT,)

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        logits, target = activations[OUTPUT].float(), _bound(self.target)
        if logits.shape[1] == 1:
            return -logits[:, target]
        others = torch.cat([logits[:, :target], logits[:, target + 1 :]], dim=1)
        return others.logsumexp(1) - logits[:, target]

    def bind(self, subject: Subject) -> ClassLogOdds:
        return replace(self, target=subject.class_index(self.target))

    def __str__(self) -> str:
        return f"log-odds of class {self.target}"


@dataclass(frozen=True)
class ClassProbability(Term):
    """Minus the logarithm of the class's softmax probability. `target` is a class name or an index.

    It saturates as soon as the network is sure, often before anything is drawn; `ClassLogOdds` does not.
    """

    target: str | int

    @property
    def kind(self) -> Kind:
        return "class"

    @property
    def layers(self) -> tuple[str, ...]:
        return (OUTPUT,)

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        return -activations[OUTPUT].float().log_softmax(1)[:, _bound(self.target)]

    def bind(self, subject: Subject) -> ClassProbability:
        return replace(self, target=subject.class_index(self.target))

    def __str__(self) -> str:
        return f"probability of class {self.target}"


def _bound(target: str | int) -> int:
    if isinstance(target, str):
        raise ValueError("bind the objective to a subject first: objective.bind(subject)")
    return target
