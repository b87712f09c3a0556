"""Objectives add, subtract and scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from torch import Tensor

from invert.protocols import Activations, Kind, Objective

if TYPE_CHECKING:
    from invert.subjects import Subject


class Term(Objective):
    """An objective that can stand in a sum: `2 * ClassScore("zebra") - ClassScore("horse")`."""

    def __add__(self, other: Objective) -> Sum:
        return Sum(((1.0, self), (1.0, other)))

    def __sub__(self, other: Objective) -> Sum:
        return Sum(((1.0, self), (-1.0, other)))

    def __mul__(self, weight: float) -> Sum:
        return Sum(((float(weight), self),))

    def __neg__(self) -> Sum:
        return self * -1.0

    __rmul__ = __mul__


@dataclass(frozen=True)
class Sum(Term):
    """A weighted sum of objectives; it is of the kind of its first."""

    terms: tuple[tuple[float, Objective], ...]

    @property
    def kind(self) -> Kind:
        return self.terms[0][1].kind

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(layer for _, objective in self.terms for layer in objective.layers))

    @property
    def in_place(self) -> bool:
        return any(objective.in_place for _, objective in self.terms)

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        return reduce(add, (weight * objective(image, activations) for weight, objective in self.terms))

    def bind(self, subject: Subject) -> Sum:
        return Sum(tuple((weight, objective.bind(subject)) for weight, objective in self.terms))

    def __str__(self) -> str:
        return " + ".join(f"{weight:g} × {objective}" for weight, objective in self.terms)
