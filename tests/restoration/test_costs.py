"""What a run takes is told in bytes and seconds that grow as the picture does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from invert.protocols import Canvas, Prior, Rngs, Shape
from invert.settings import make_prior
from invert.sweeps.costs import PICTURES, SIDE, cost


class Ten(Canvas):
    """Holds ten pictures for its gradient, and has a weight for each pixel."""

    def __init__(self, shape: Shape, rngs: Rngs) -> None:
        super().__init__()
        self.pixels = nn.Parameter(torch.full((len(rngs), *shape), 0.5))

    def forward(self, rngs: Rngs | None = None) -> Tensor:
        image: Tensor = self.pixels
        for _ in range(10):
            image = image.sigmoid()  # which keeps what it gives
        return image


class Tens(Prior):
    name = "ten"

    def start(self, shape: Shape, rngs: Rngs) -> Canvas:
        return Ten(shape, rngs)


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 500, 700), (3, SIDE, 3 * SIDE)])
def test_the_memory_is_that_of_what_the_gradient_needs(shape: Shape) -> None:
    channels, height, width = shape
    picture = 4 * channels * height * width
    found = cost(Tens(), shape).bytes / picture
    assert 10 + PICTURES - 1 <= found <= 10 + PICTURES + 5


def test_a_larger_generator_takes_more() -> None:
    small, large = (make_prior("dip", preset="restoration", **s) for s in ({"channels": (8,) * 6}, {}))
    assert cost(small, (3, 64, 64)).bytes < cost(large, (3, 64, 64)).bytes < 2**28
    assert cost(large, (3, 1024, 1024)).bytes > 30 * cost(large, (3, 64, 64)).bytes, "of 256 times the pixels"
