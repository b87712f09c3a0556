"""Noise is smaller once a picture is clipped, and how much smaller is known without the picture."""

from __future__ import annotations

import math

import pytest
import torch

from invert import images
from invert.operators.clipped_noise import level, mean_square
from invert.photos import default_photo


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("value", [0.0, 0.03, 0.5, 0.9, 1.0])
def test_the_mean_square_is_that_of_a_million_draws(value: float) -> None:
    sigma = 0.1
    away = (value + sigma * noise(1_000_000).double()).clamp(0, 1) - value
    expected = mean_square(torch.tensor([value], dtype=torch.float64), sigma)
    assert float(expected) == pytest.approx(float(away.square().mean()), rel=0.01)


@pytest.mark.parametrize("sigma", [15 / 255, 25 / 255, 50 / 255])
@pytest.mark.parametrize("what", ["a photo", "black", "mid-grey", "a ramp", "noise"])
def test_the_level_is_that_of_the_noise_itself(what: str, sigma: float) -> None:
    truth = {
        "a photo": images.to_tensor(default_photo(), (3, 96, 96)),
        "black": torch.zeros(1, 3, 96, 96),
        "mid-grey": torch.full((1, 3, 96, 96), 0.5),
        "a ramp": torch.linspace(0, 1, 96).expand(1, 3, 96, 96),
        "noise": torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(1)),
    }[what]
    noisy = (truth + sigma * noise(1, 3, 96, 96)).clamp(0, 1)
    true = float((noisy - truth).square().mean().sqrt())
    assert level(noisy, sigma) == pytest.approx(true, rel=0.015)
    if what == "black":
        assert true == pytest.approx(sigma / math.sqrt(2), rel=0.02), "clipping matters here"


def test_what_was_not_clipped_has_the_noise_it_was_given() -> None:
    assert level(noise(1, 3, 8, 8), 0.1) == 0.1
    assert level(torch.full((1, 3, 8, 8), 0.5), 0.0) == 0.0
