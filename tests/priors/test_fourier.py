"""`fourier` and `maco`: what of the spectrum of a picture is free, and what is that of photos."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
import torch
from torch import Tensor

import invert
from invert_priors.fourier import FourierBasis, Spectrum, cycles_a_pixel
from invert_priors.generator import NATURAL_COLOURS
from invert_priors.maco import MagnitudeConstrained, Phases, photo_spectrum


def rng(seed: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed)]


def decorrelated(image: Tensor) -> Tensor:
    """What `(1, 3, H, W)` was mixed from, before the sigmoid."""
    unmix = torch.linalg.inv(torch.tensor(NATURAL_COLOURS))
    return torch.einsum("ij,bjyx->biyx", unmix, image.logit())


def test_every_picture_can_be_drawn_as_a_spectrum() -> None:
    """By the coefficients that its transform has, whatever the falloff."""
    picture = torch.rand(1, 3, 12, 17, generator=rng(5)[0]) * 0.8 + 0.1
    canvas = FourierBasis(falloff=1.5).start((3, 12, 17), rng())
    assert isinstance(canvas, Spectrum)
    spectrum = torch.view_as_real(torch.fft.rfft2(4 * decorrelated(picture), norm="ortho"))
    canvas.coefficients.data.copy_(spectrum / canvas.scale)
    torch.testing.assert_close(canvas(), picture, atol=1e-4, rtol=0)


def test_low_frequencies_dominate_the_start_as_in_photos() -> None:
    image = FourierBasis(deviation=0.1).start((3, 64, 64), rng())().detach()
    power = torch.fft.rfft2(image - image.mean((-1, -2), keepdim=True)).abs().square().sum((0, 1))
    assert float(power[:8, :8].mean()) > 20 * float(power[24:40, 24:].mean())


def test_frequencies_are_counted_in_cycles_a_pixel() -> None:
    assert cycles_a_pixel(8, 8)[0].tolist() == [0, 0.125, 0.25, 0.375, 0.5]
    assert cycles_a_pixel(8, 8)[3, 4] == pytest.approx(0.625)


@pytest.mark.parametrize("size", [(128, 128), (64, 96), (33, 224)])
def test_the_amplitudes_of_a_maco_picture_are_those_of_photos(size: tuple[int, int]) -> None:
    """After any change of the phases, up to one factor for the contrast."""
    canvas = MagnitudeConstrained(contrast=0.2).start((3, *size), rng())
    assert isinstance(canvas, Phases)
    canvas.phases.data.normal_(generator=rng(7)[0]).mul_(3)
    with torch.no_grad():
        drawn = torch.fft.rfft2(decorrelated(canvas()))[0].abs()
    # Waves along the borders of the half plane are their own mirror image, so that a phase moves their size.
    inner = slice(1, (size[0] + 1) // 2), slice(1, (size[1] + 1) // 2)
    ratio = drawn[:, inner[0], inner[1]] / photo_spectrum(*size)[:, inner[0], inner[1]]
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=2e-3, atol=0)


def test_the_spectrum_is_what_was_measured_and_goes_on_falling() -> None:
    held = json.loads(files("invert_priors").joinpath("photo_spectrum.json").read_text())
    cycles, measured = held["cycles"], torch.tensor(held["magnitude"])
    spectrum = photo_spectrum(256, 256)
    assert spectrum.shape == (3, 256, 129)
    at = torch.tensor(cycles)
    found = spectrum[:, at][:, :, at]
    torch.testing.assert_close(found[:, 1:, 1:], measured[:, 1:, 1:])
    assert not spectrum[:, 0, 0].any(), "the mean is the colours' to say"
    along = spectrum[0, 0, 1:]
    assert (along.diff() < 0).all()
    # Photos: an amplitude of about one over the frequency.
    slope = torch.log(along[32] / along[1]) / torch.log(torch.tensor(33 / 2))
    assert -1.3 < slope < -0.8


@pytest.mark.parametrize(
    "name, settings, says",
    [
        ("fourier", {"falloff": 9}, r"falloff is 9\.0: it must lie between 0 and 4"),
        ("fourier", {"deviation": 0}, r"deviation is 0\.0: it must be above 0"),
        ("maco", {"contrast": 0}, r"contrast is 0\.0: it must be above 0"),
    ],
)
def test_a_setting_out_of_range_says_what_would_be_right(
    name: str, settings: dict[str, float], says: str
) -> None:
    with pytest.raises(invert.RequestError, match=says):
        invert.prior(name, **settings)
