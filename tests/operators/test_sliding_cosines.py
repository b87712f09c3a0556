"""A denoiser of a second, and a picture that is half of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import invert
from invert import images
from invert.operators.sliding_cosines import sliding_cosines
from invert.photos import default_photo

SIGMA = 25 / 255


@pytest.fixture(scope="module")
def photo() -> Tensor:
    return images.to_float(default_photo())[:, :, :96, :100]


def noisy(photo: Tensor, seed: int = 0) -> Tensor:
    return (photo + SIGMA * torch.randn(photo.shape, generator=torch.Generator().manual_seed(seed))).clamp(
        0, 1
    )


def psnr(a: Tensor, b: Tensor) -> float:
    return -10 * float((a - b).square().mean().log10())


def test_most_of_the_noise_is_gone(photo: Tensor) -> None:
    observed = noisy(photo)
    assert psnr(sliding_cosines(observed, SIGMA), photo) > psnr(observed, photo) + 6
    grey = photo.mean(1, keepdim=True)
    assert psnr(sliding_cosines(noisy(grey), SIGMA), grey) > psnr(noisy(grey), grey) + 5


def test_what_is_cosines_of_a_block_and_above_the_noise_stays() -> None:
    place = torch.arange(64)
    wave = 0.5 + 0.3 * torch.cos(torch.pi / 4 * (place + 0.5))
    picture = wave.expand(1, 3, 64, 64)
    torch.testing.assert_close(sliding_cosines(picture, 0.01), picture, atol=0.02, rtol=0)
    flat = torch.full((1, 1, 5, 9), 0.3)
    torch.testing.assert_close(sliding_cosines(flat, 0.1), flat)
    assert sliding_cosines(picture, 0.0) is picture


def test_two_estimates_err_less_together(photo: Tensor) -> None:
    """Beside one that errs otherwise, at no more noise than there was."""
    alone, half = (
        invert.Observation(invert.operator("identity", sigma=SIGMA, cosines=share), photo).bind(None)
        for share in (0.0, 0.5)
    )
    assert half.target is not None and alone.target is not None and torch.equal(half.target, alone.target)
    cosines = sliding_cosines(half.target, SIGMA)
    other = photo + (cosines - photo).square().mean().sqrt() * torch.randn(
        photo.shape, generator=torch.Generator().manual_seed(5)
    )
    together = half.finished(other)
    assert psnr(together, photo) > max(psnr(alone.finished(other), photo), psnr(cosines, photo)) + 1
    again = half.consistent(together)
    torch.testing.assert_close(again, together, msg="it is taken in once")
    with pytest.raises(invert.RequestError, match="cosines is 2"):
        invert.operator("identity", cosines=2.0)
