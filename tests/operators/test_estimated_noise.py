"""The noise in a picture, estimated from the picture, where it is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from invert import images
from invert.operators.clipped_noise import level
from invert.operators.estimated_noise import before_clipping, estimate
from invert.photos import default_photo


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return images.to_float(default_photo())[:, :, :192, :192]


def under_noise(clean: Tensor, sigma: float) -> Tensor:
    return (clean + sigma * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)


@pytest.mark.parametrize("sigma", [5 / 255, 15 / 255, 25 / 255, 50 / 255])
def test_what_is_left_of_the_noise_in_a_photo_is_found(photo: Tensor, sigma: float) -> None:
    light = 0.25 + 0.5 * photo
    noisy = under_noise(light, sigma)
    left = float((noisy - light).square().mean().sqrt())
    assert estimate(noisy) == pytest.approx(left, rel=0.04)
    assert before_clipping(noisy, estimate(noisy)) == pytest.approx(sigma, rel=0.05)
    dark = under_noise(photo, sigma)  # where clipping takes much back, and not everywhere as much
    assert before_clipping(dark, estimate(dark)) == pytest.approx(sigma, rel=0.12)


def test_a_picture_without_noise_has_none() -> None:
    ramp = torch.linspace(0.2, 0.8, 64).expand(1, 3, 64, 64)
    assert estimate(ramp) < 1e-3
    assert estimate(torch.full((1, 1, 4, 4), 0.5)) == 0


def test_noise_alone_is_all_noise() -> None:
    noise = 0.5 + 0.05 * torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    assert estimate(noise) == pytest.approx(0.05, rel=0.02)


def test_in_a_small_picture_patches_are_smaller() -> None:
    small = 0.5 + 0.05 * torch.randn(1, 3, 12, 14, generator=torch.Generator().manual_seed(1))
    assert estimate(small) == pytest.approx(0.05, rel=0.2)


def test_before_clipping_is_what_clipping_takes_back() -> None:
    dark = under_noise(torch.full((1, 1, 256, 256), 0.02), 0.1)
    left = level(dark, 0.1)
    assert left < 0.08, "half of the noise is clipped"
    assert before_clipping(dark, left) == pytest.approx(0.1, rel=1e-3)
