"""Measures of likeness against references and pictures whose answer is known."""

from __future__ import annotations

import math

import pytest
import torch
from skimage.metrics import structural_similarity

from invert import images
from invert.measures.identity import nearest_share
from invert.measures.likeness import ssim
from invert.measures.place import displacement
from invert.photos import default_photo


@pytest.fixture(scope="module")
def photo() -> torch.Tensor:
    return images.to_tensor(default_photo(), (3, 96, 96))


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.3])
def test_ssim_is_scikit_image_s(photo: torch.Tensor, noise: float) -> None:
    grey = photo.mean(1, keepdim=True)
    other = (grey + noise * torch.randn(grey.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    _, whole = structural_similarity(
        grey[0, 0].numpy(), other[0, 0].numpy(), data_range=1.0, gaussian_weights=True,
        sigma=1.5, use_sample_covariance=False, full=True,
    )  # fmt: skip
    # Ours takes windows inside the image only, an 11 × 11 Gaussian.
    assert ssim(grey, other) == pytest.approx(float(whole[5:-5, 5:-5].mean()), abs=2e-3)


@pytest.mark.parametrize("shift", [0, 8, 16])
def test_a_shifted_picture_is_displaced_by_its_shift(photo: torch.Tensor, shift: int) -> None:
    """In 64ths of the side; most tiles find their place that far away."""
    large = torch.nn.functional.interpolate(photo, (64, 64), mode="bilinear", antialias=True)
    moved = torch.roll(large, shift, dims=-1)
    assert float(displacement(moved, large[0])) == pytest.approx(shift, abs=1)


def test_neither_contrast_nor_colour_moves_anything(photo: torch.Tensor) -> None:
    faint = 0.4 + 0.2 * photo.flip(1)
    assert float(displacement(faint, photo[0])) == 0


def test_a_flat_picture_has_no_place(photo: torch.Tensor) -> None:
    assert math.isnan(float(displacement(torch.full_like(photo, 0.5), photo[0])))


def test_identity_is_the_share_whose_nearest_photo_is_their_own() -> None:
    photos = torch.eye(3)
    inversions = torch.stack([photos, photos, photos[[0, 1, 1]]], dim=1)
    assert nearest_share(photos, inversions) == pytest.approx(8 / 9)
