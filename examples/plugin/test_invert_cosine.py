"""Run with pytest. `check_prior` is all that invert asks of a prior; the rest is what this one promises."""

from __future__ import annotations

import pytest
import torch
from invert_cosine import CosineBasis, Cosines, cosines

import invert
from invert.testing import check_prior


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 33, 47)], ids=["colour", "grey, odd size"])
def test_it_keeps_what_invert_asks_of_a_prior(shape: tuple[int, int, int]) -> None:
    check_prior(CosineBasis(), shape)


def test_it_comes_by_its_entry_point() -> None:
    assert isinstance(invert.prior("cosine", falloff="0.5"), CosineBasis)


def test_a_setting_out_of_range_says_what_would_be_right() -> None:
    with pytest.raises(invert.RequestError, match=r"falloff is 9\.0: it must lie between 0 and 4"):
        invert.prior("cosine", falloff=9)


def test_the_basis_is_orthonormal_so_that_every_picture_can_be_drawn() -> None:
    torch.testing.assert_close(cosines(17) @ cosines(17).mT, torch.eye(17), atol=1e-5, rtol=0)
    picture = torch.rand(1, 3, 12, 17, generator=torch.Generator().manual_seed(5)) * 0.8 + 0.1
    canvas = Cosines(CosineBasis(), (3, 12, 17), [torch.Generator()])
    canvas.coefficients.data = canvas.down @ picture.logit() @ canvas.across.mT / canvas.scale
    torch.testing.assert_close(canvas(), picture)


def test_low_frequencies_dominate_the_start_as_in_photos() -> None:
    rng = torch.Generator().manual_seed(0)
    image = Cosines(CosineBasis(), (3, 64, 64), [rng])().detach().logit()
    power = (cosines(64) @ image @ cosines(64).mT).square().sum((0, 1))
    assert float(power[1:8, 1:8].mean()) > 20 * float(power[48:, 48:].mean())
