"""The split into kept, free and invented, against cases whose answer is known."""

from __future__ import annotations

import pytest
import torch

from invert.measures import facets
from invert.measures.decomposition import decompose, shares


def vectors(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_photo_itself_is_all_kept() -> None:
    u = vectors(2, 50)
    assert shares(decompose(u, u[:, None].expand(-1, 4, -1))) == pytest.approx(
        {"kept": 1, "free": 0, "invented": 0, "shown": 1, "recovered": 1}
    )


def test_one_picture_for_every_photo_is_all_invented() -> None:
    u = torch.eye(2, 50, dtype=torch.float64)
    v = torch.zeros(2, 4, 50, dtype=torch.float64)
    v[..., 7] = 2.0
    assert shares(decompose(u, v)) == pytest.approx(
        {"kept": 0, "free": 0, "invented": 1, "shown": 4, "recovered": 0}
    )


def test_independent_noise_is_free() -> None:
    split = shares(decompose(vectors(8, 4000), vectors(8, 4, 4000, seed=1)))
    assert split["free"] == pytest.approx(1, abs=0.02)
    assert split["kept"] == pytest.approx(0, abs=0.01)


def test_the_shares_add_up_to_one() -> None:
    u = vectors(3, 100)
    v = 0.5 * u[:, None] + vectors(1, 1, 100, seed=2) + 0.3 * vectors(3, 5, 100, seed=3)
    split = shares(decompose(u, v))
    assert sum(split[name] or 0 for name in ("kept", "free", "invented")) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("seeds", [2, 3, 8])
def test_kept_and_free_do_not_depend_on_the_number_of_seeds(seeds: int) -> None:
    u = vectors(1, 20)
    mean = 0.5 * u + 0.2 * vectors(1, 20, seed=1)
    trials = 20_000
    noise = vectors(trials, seeds, 20, seed=4)
    energy = decompose(u.expand(trials, -1), mean + noise)
    true_kept = float((mean * u).sum() ** 2 / (u * u).sum())
    assert float(energy.kept.mean()) == pytest.approx(true_kept, rel=0.03)
    assert float(energy.free.mean()) == pytest.approx(20, rel=0.03)


def test_nothing_shown_has_no_shares() -> None:
    split = shares(decompose(vectors(1, 30), torch.zeros(1, 3, 30)))
    assert split["kept"] is split["free"] is split["invented"] is None
    assert split["shown"] == 0


def test_one_seed_shows_but_cannot_split() -> None:
    u = vectors(1, 30)
    split = shares(decompose(u, u[:, None]))
    assert split["shown"] == pytest.approx(1)
    assert split["kept"] != split["kept"], "not a number: one seed cannot tell kept from free"


def test_the_rings_hold_the_energy_between_one_cycle_and_nyquist() -> None:
    image = torch.rand(3, 32, 32, dtype=torch.float64)
    views = facets.facets(image)
    rings = [name for name in views if name.startswith("cycles.")]
    assert rings == ["cycles.1-4", "cycles.4-8", "cycles.8-16"]
    spectrum = torch.fft.fft2(image.mean(0), norm="ortho").abs().square()
    radius = torch.hypot(*torch.meshgrid(*[torch.fft.fftfreq(32) * 32] * 2, indexing="ij"))
    inside = (radius >= 1) & (radius <= 16)
    assert sum(float(views[r].square().sum()) for r in rings) == pytest.approx(float(spectrum[inside].sum()))


@pytest.mark.parametrize("cycles, ring", [(2, "cycles.1-4"), (6, "cycles.4-8"), (40, "cycles.32-64")])
def test_a_grating_lies_in_its_octave(cycles: int, ring: str) -> None:
    x = torch.arange(128) / 128
    grating = torch.sin(2 * torch.pi * cycles * x).expand(3, 128, 128)
    views = facets.facets(grating)
    energy = {name: float(view.square().sum()) for name, view in views.items()}
    assert energy[ring] == pytest.approx(energy["luminance"], rel=1e-4)
    assert energy["colour"] == pytest.approx(0)


def test_luminance_does_not_see_opponent_colours() -> None:
    image = torch.zeros(3, 8, 8)
    image[0], image[1] = 0.2, -0.2
    views = facets.facets(image)
    assert float(views["luminance"].abs().max()) == pytest.approx(0, abs=1e-7)
    assert float(views["colour"].square().sum()) > 0
