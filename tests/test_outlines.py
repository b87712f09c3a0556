"""`edges_kept`, where the answer is known: 1 for the photo in any contrast and polarity, 0 for noise."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from invert import images
from invert.measures import RowEvidence
from invert.measures.edges import EdgesKept
from invert.photos import default_photo

SIDE = 128


def photos() -> Tensor:
    """Three crops of a real photo, `(3, 3, SIDE, SIDE)`."""
    whole = images.to_tensor(default_photo(), (3, 2 * SIDE, 2 * SIDE))
    return torch.cat([whole[..., y : y + SIDE, x : x + SIDE] for y, x in [(0, 0), (SIDE, 0), (SIDE, SIDE)]])


def kept(inversions: Tensor) -> float | None:
    """Of inversions `(3, C, H, W)`, one of each photo, or `(3, K, C, H, W)`."""
    inversions = inversions[:, None] if inversions.dim() == 4 else inversions
    row = RowEvidence(SimpleNamespace(), "layer", photos(), inversions, 1.0)  # type: ignore[arg-type]
    return EdgesKept()(row)[0]["edges_kept"]


def noise(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("contrast", [1.0, 0.3, 0.1, -0.1, -1.0])
def test_neither_contrast_nor_polarity_matters(contrast: float) -> None:
    assert kept(0.5 + contrast * (photos() - 0.5)) == pytest.approx(1, abs=1e-6)
    eight_bits = ((0.5 + contrast * (photos() - 0.5)) * 255).round() / 255
    assert kept(eight_bits) == pytest.approx(1, abs=0.01)


def test_neither_does_a_contrast_that_differs_from_place_to_place() -> None:
    ramp = torch.linspace(-0.8, 0.8, SIDE)
    assert kept(0.5 + ramp * (photos() - 0.5)) == pytest.approx(0.9, abs=0.1)


@pytest.mark.parametrize("grain", [1, 8, 32], ids=lambda grain: f"{grain} px")
def test_noise_of_any_grain_has_no_outlines_of_a_photo(grain: int) -> None:
    small = noise(3 * 16, 3, SIDE // grain, SIDE // grain)
    drawn = F.interpolate(small, (SIDE, SIDE), mode="bicubic").clamp(0, 1)
    assert kept(drawn.reshape(3, 16, 3, SIDE, SIDE)) == pytest.approx(0, abs=0.05)


def test_another_photo_has_not_either() -> None:
    assert kept(photos().roll(1, 0)) == pytest.approx(0, abs=0.1)


def test_outlines_are_seen_under_noise_as_the_eye_sees_them() -> None:
    """Noise buries fine detail first, then outlines."""
    scores = [
        kept((1 - share) * photos() + share * noise(3, 3, SIDE, SIDE)) or 0 for share in (0.5, 0.8, 0.97)
    ]
    assert scores[0] > 0.9
    assert 0.5 < scores[1] < 0.9
    assert scores[2] < 0.3


def test_outlines_may_move_a_little_and_not_far() -> None:
    assert (kept(photos().roll(2, -1)) or 0) > 0.7
    assert abs(kept(photos().roll(SIDE // 3, -1)) or 0) < 0.2


def test_a_flat_picture_has_no_outlines_to_judge() -> None:
    assert kept(torch.full_like(photos(), 0.5)) is None
    flat = torch.full((3, 2, 3, SIDE, SIDE), 0.5)
    flat[:, 0] = photos()
    assert kept(flat) == pytest.approx(1), "the seeds that have outlines are judged"
