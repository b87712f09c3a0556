"""The penalty of `tv`, against its formula written out pixel by pixel."""

from __future__ import annotations

import math

import pytest
import torch

from invert_priors.tv import TotalVariation, alpha_norm, total_variation

SMOOTHING = 1e-3
BETAS = [1.0, 1.5, 2.0, 3.0]


def images() -> torch.Tensor:
    return torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def written_out(image: torch.Tensor, beta: float) -> float:
    """Of one image `(C, H, W)`."""
    channels, height, width = image.shape
    total = 0.0
    for c in range(channels):
        for y in range(height):
            for x in range(width):
                here = float(image[c, y, x])
                dx = float(image[c, y, x + 1]) - here if x + 1 < width else 0.0
                dy = float(image[c, y + 1, x]) - here if y + 1 < height else 0.0
                total += (dx**2 + dy**2 + SMOOTHING**2) ** (beta / 2) - SMOOTHING**beta
    return total / image.numel()


@pytest.mark.parametrize("beta", BETAS)
def test_total_variation_is_its_formula(beta: float) -> None:
    expected = [written_out(image, beta) for image in images()]
    assert total_variation(images(), beta, SMOOTHING).tolist() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("beta", BETAS)
def test_a_flat_image_has_none_and_a_finite_gradient(beta: float) -> None:
    flat = torch.full((1, 3, 4, 4), 0.3, requires_grad=True)
    variation = total_variation(flat, beta, SMOOTHING)
    variation.sum().backward()
    assert variation.item() == pytest.approx(0, abs=1e-9)
    assert flat.grad is not None and bool(flat.grad.isfinite().all())


def test_alpha_norm_is_its_formula() -> None:
    expected = [sum(abs(v) ** 6 for v in image.flatten().tolist()) / image.numel() for image in images()]
    assert alpha_norm(images(), 6.0).tolist() == pytest.approx(expected, rel=1e-9)


def test_a_weight_is_the_price_of_a_photos_variation() -> None:
    """A checkerboard whose gradient is the typical one, but for the far border, costs `weight` a pixel."""
    prior = TotalVariation(weight=0.5, alpha_weight=0.0)
    canvas = prior.start((1, 64, 64), [torch.Generator().manual_seed(0)])
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    board = 0.5 + (0.1 / math.sqrt(2)) * ((x + y) % 2)[None, None]
    assert float(canvas.penalty(board)) == pytest.approx(0.5 * 63 / 64, rel=1e-6)
