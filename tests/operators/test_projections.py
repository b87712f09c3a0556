"""Random projections: the adjoint, the closed form, and a matrix that need not be held."""

from __future__ import annotations

import pytest
import torch

import invert
from invert.operators import projections
from invert.operators.projections import Projected
from invert.testing import check_operator


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=["held", "made anew"])
def projected(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Projected:
    monkeypatch.setattr(projections, "AT_ONCE", 7 * 3 * 8 * 9)  # seven rows at a time
    if request.param == "made anew":
        monkeypatch.setattr(projections, "HELD", 0)
    return Projected(40, (3, 8, 9), seed=5)


def whole(projected: Projected) -> torch.Tensor:
    return torch.cat([rows for _, rows in projected.rows()])


def test_it_is_that_matrix_and_its_gradient_the_adjoint(projected: Projected) -> None:
    matrix = whole(projected)
    assert matrix.shape == (40, 216)
    image = rand(2, 3, 8, 9).requires_grad_()
    seen = projected(image)
    torch.testing.assert_close(seen, image.flatten(1) @ matrix.T)
    other = rand(2, 40, seed=1)
    (gradient,) = torch.autograd.grad((seen * other).sum(), image)
    torch.testing.assert_close(gradient.flatten(1), other @ matrix)


def test_a_matrix_that_is_not_held_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Projected(40, (3, 8, 9), seed=5)
    monkeypatch.setattr(projections, "HELD", 0)
    anew = Projected(40, (3, 8, 9), seed=5)
    assert len(held.matrix) and not len(anew.matrix)
    assert torch.equal(whole(held), whole(anew)) and torch.equal(whole(anew), whole(anew))


def test_its_numbers_are_gaussian_of_variance_one_by_count() -> None:
    matrix = whole(Projected(400, (1, 30, 30), seed=0)).double()
    assert float(matrix.mean()) == pytest.approx(0, abs=4 * (1 / 400) ** 0.5 / 600)
    assert float(matrix.var()) == pytest.approx(1 / 400, rel=0.01)
    gram = matrix @ matrix.T * 400 / 900
    assert float((gram - torch.eye(400)).abs().max()) < 0.3, "rows of different chunks are unlike"


def test_made_consistent_is_the_closed_form(projected: Projected) -> None:
    matrix, image, truth = whole(projected).double(), rand(1, 3, 8, 9), rand(1, 3, 8, 9, seed=1)
    observed = projected(truth)
    agreed = projected.consistent(image, observed)
    residual = observed.double()[0] - matrix @ image.double().flatten()
    expected = image.double().flatten() + matrix.T @ torch.linalg.solve(matrix @ matrix.T, residual)
    torch.testing.assert_close(agreed.double().flatten(), expected, atol=1e-5, rtol=0)
    assert (agreed - truth).norm() < (image - truth).norm()


def test_it_keeps_what_an_operator_promises() -> None:
    check_operator(invert.operator("projections", count=60), (1, 13, 11))


def test_half_as_many_projections_as_values_and_a_smooth_picture() -> None:
    across, down = torch.meshgrid(torch.linspace(0, 1, 24), torch.linspace(0, 1, 24), indexing="xy")
    truth = torch.stack([across, down, (across + down) / 2])[None]
    observation = invert.Observation(invert.operator("projections", count=864), truth)
    smooth = invert.restore(observation, "tv", steps=300).measures["psnr"]
    free = invert.restore(observation, "none", steps=300).measures["psnr"]
    assert smooth is not None and free is not None and smooth > free + 3


@pytest.mark.parametrize(("count", "told"), [(0, "count is 0"), (192, "must be below the 192")])
def test_what_cannot_be_asked(count: int, told: str) -> None:
    with pytest.raises(invert.RequestError, match=told):
        invert.operator("projections", count=count).start((3, 8, 8), torch.Generator())
