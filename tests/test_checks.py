"""What the checks for plug-ins let through, and what they do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from invert import Objective
from invert.protocols import Activations
from invert.testing import check_objective, tiny_subject

Loss = Callable[[Tensor, Tensor], Tensor]


class Of(Objective):
    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    @property
    def layers(self) -> tuple[str, ...]:
        return ("conv",)

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        return self.loss(image, activations["conv"])


def half_detached(image: Tensor, features: Tensor) -> Tensor:
    return (features * features.detach()).flatten(1).mean(1)


def drawn_anew(image: Tensor, features: Tensor) -> Tensor:
    generator = torch.Generator()
    generator.seed()
    return (features * torch.rand(features.shape[1:], generator=generator)).flatten(1).square().mean(1)


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (lambda x, f: f.square().mean(), "not (2,)"),
        (lambda x, f: (f - f.mean(0)).flatten(1).square().mean(1), "depends on another image"),
        (lambda x, f: f.flatten(1).square().mean(1) / len(f), "an image alone has another loss"),
        (lambda x, f: f.detach().flatten(1).mean(1) + 0 * x.flatten(1).mean(1), "no gradient reaches"),
        (half_detached, "is part of it detached?"),
        (drawn_anew, "the same images have another loss"),
        (lambda x, f: (f / 0).flatten(1).mean(1), "not finite"),
    ],
)
def test_an_objective_that_breaks_a_promise_is_told(loss: Loss, told: str) -> None:
    with pytest.raises(AssertionError) as error:
        check_objective(Of(loss), tiny_subject())
    assert told in str(error.value)


def test_an_objective_that_keeps_them_passes() -> None:
    check_objective(Of(lambda x, f: f.flatten(1).square().mean(1)), tiny_subject())
