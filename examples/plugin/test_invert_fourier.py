"""Run with pytest. `check_prior` is all that invert asks of a prior; the rest is what this one promises."""

from __future__ import annotations

import pytest
import torch
from invert_fourier import FourierBasis, Spectrum

import invert
from invert.testing import check_prior


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 33, 47)], ids=["colour", "grey, odd size"])
def test_it_keeps_what_invert_asks_of_a_prior(shape: tuple[int, int, int]) -> None:
    check_prior(FourierBasis(), shape)


def test_it_comes_by_its_entry_point() -> None:
    assert isinstance(invert.prior("fourier", falloff="0.5"), FourierBasis)


def test_a_setting_out_of_range_says_what_would_be_right() -> None:
    with pytest.raises(invert.RequestError, match=r"falloff is 9\.0: it must lie between 0 and 4"):
        invert.prior("fourier", falloff=9)


def test_low_frequencies_dominate_the_start_as_in_photos() -> None:
    rng = torch.Generator().manual_seed(0)
    image = Spectrum(FourierBasis(deviation=0.1), (3, 64, 64), [rng])().detach()
    power = torch.fft.rfft2(image - image.mean((-1, -2), keepdim=True)).abs().square().sum((0, 1))
    assert float(power[:8, :8].mean()) > 20 * float(power[24:40, 24:].mean())
