"""Some random projections of a picture are known: compressive sensing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from invert.errors import RequestError
from invert.protocols import Observer, Operator, Shape

AT_ONCE = 2**22
"""So many numbers of A are in memory at a time, 16 MB, where it is not held."""
HELD = 2**24
"""An A of at most so many numbers, 64 MB, is made once."""
ITERATIONS, EXACT = 100, 1e-7
"""Of conjugate gradients: at most so many, until the residual is this share of what it was."""


@dataclass(frozen=True, kw_only=True)
class Projections(Operator):
    """`count` inner products of the picture with Gaussian noise of variance 1 / `count`.

    As in Bora, Jalal, Price and Dimakis, "Compressed Sensing using Generative Models", ICML 2017.
    Fewer than the picture has values. The matrix A, `(count, C · H · W)`, is made anew from seeds at
    each use, a few rows at a time, where it is too large to hold.
    """

    name: ClassVar[str] = "projections"

    count: int = 500

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count is {self.count}: it must be 1 or more")

    def start(self, shape: Shape, rng: torch.Generator) -> Projected:
        values = math.prod(shape)
        if self.count >= values:
            raise RequestError(
                f"projections: count is {self.count}: it must be below the {values} values of {shape}"
            )
        return Projected(self.count, shape, int(torch.randint(2**62, (), generator=rng)))


class Projected(Observer):
    """`(B, C, H, W)` to `(B, count)`."""

    matrix: Tensor

    def __init__(self, count: int, shape: Shape, seed: int) -> None:
        super().__init__()
        self.count, self.shape, self.seed = count, shape, seed
        self.values = math.prod(shape)
        self.height = max(1, AT_ONCE // self.values)
        self.register_buffer("matrix", torch.empty(0), persistent=False)
        if count * self.values <= HELD:
            self.matrix = torch.cat([rows for _, rows in self.rows()])

    def forward(self, image: Tensor) -> Tensor:
        return cast(Tensor, Projection.apply(image.flatten(1), self))

    def project(self, flat: Tensor) -> Tensor:
        """A x of `(B, n)`: `(B, count)`."""
        return torch.cat([flat @ rows.T for _, rows in self.rows()], dim=1)

    def transposed(self, projected: Tensor) -> Tensor:
        """Aᵀ y of `(B, count)`: `(B, n)`."""
        flat = projected.new_zeros(len(projected), self.values)
        for which, rows in self.rows():
            flat += projected[:, which] @ rows
        return flat

    def rows(self) -> Iterator[tuple[slice, Tensor]]:
        """A, some rows at a time: the same ones each time, drawn on the CPU."""
        if len(self.matrix):
            yield slice(0, self.count), self.matrix
            return
        for number, first in enumerate(range(0, self.count, self.height)):
            which = slice(first, min(first + self.height, self.count))
            rng = torch.Generator().manual_seed(self.seed + number)
            rows = torch.randn(which.stop - first, self.values, generator=rng) / self.count**0.5
            yield which, rows.to(self.matrix.device)

    def consistent(self, image: Tensor, observed: Tensor) -> Tensor:
        """The nearest picture of which these are the projections: x + Aᵀ (A Aᵀ)⁻¹ (y − A x)."""
        with torch.no_grad():
            residual = observed - self.project(image.flatten(1))
            return image + self.transposed(self._solved(residual)).view_as(image)

    def seen(self, observed: Tensor) -> Tensor:
        """The picture nearest to mid-grey that agrees."""
        grey = observed.new_full((len(observed), *self.shape), 0.5)
        return self.consistent(grey, observed).clamp(0, 1)

    def _solved(self, wanted: Tensor) -> Tensor:
        """(A Aᵀ)⁻¹ of `wanted` `(B, count)`, by conjugate gradients."""
        solution, residual = torch.zeros_like(wanted), wanted.clone()
        direction, square = residual.clone(), residual.square().sum(1, keepdim=True)
        enough = EXACT**2 * square
        for _ in range(ITERATIONS):
            if bool((square <= enough).all()):
                break
            image = self.transposed(direction)
            step = square / image.square().sum(1, keepdim=True).clamp(min=1e-30)
            solution += step * direction
            residual -= step * self.project(image)
            before, square = square, residual.square().sum(1, keepdim=True)
            direction = residual + square / before.clamp(min=1e-30) * direction
        return solution


class Projection(torch.autograd.Function):
    """A x, whose gradient needs no A that was kept."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, projected: Projected) -> Tensor:
        ctx.projected = projected
        return projected.project(flat)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.projected.transposed(gradient), None
