"""The split into kept, free and invented, against cases whose answer is known."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from invert import images
from invert.measures import RowEvidence, facets
from invert.measures.decomposition import Decomposition, decompose, kept_map, shares
from invert.measures.identity import IdentityKept
from invert.measures.mean_photo import mean_photo
from invert.photos import default_photo

SIDE = 96
NOT_A_SUBJECT = SimpleNamespace()


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


def test_colour_is_what_is_seen_as_colour() -> None:
    """Noise of single pixels does not drown the colour of things."""
    noise = torch.randn((3, 4, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    assert (split(photos()[:, None] + 0.1 * noise)["kept"]["colour"] or 0) > 0.9
    stripes = torch.sin(2 * torch.pi * torch.arange(SIDE) / SIDE * torch.tensor([[3.0], [12.0], [20.0]]))
    energy = [
        float(
            facets.facets(torch.stack([line, -line, 0 * line])[:, None].expand(-1, SIDE, -1))["colour"].norm()
        )
        for line in stripes
    ]
    assert energy[0] == pytest.approx(energy[1]) and energy[2] == pytest.approx(0, abs=1e-3)


def test_luminance_does_not_see_opponent_colours() -> None:
    image = torch.zeros(3, 8, 8)
    image[0], image[1] = 0.2, -0.2
    views = facets.facets(image)
    assert float(views["luminance"].abs().max()) == pytest.approx(0, abs=1e-7)
    assert float(views["colour"].square().sum()) > 0


def photos() -> Tensor:
    """Three crops of a real photo, `(3, 3, SIDE, SIDE)`."""
    whole = images.to_tensor(default_photo(), (3, 2 * SIDE, 2 * SIDE))
    corners = [(0, 0), (SIDE, 0), (SIDE, SIDE)]
    return torch.cat([whole[..., y : y + SIDE, x : x + SIDE] for y, x in corners])


def row(inversions: Tensor, originals: Tensor | None = None) -> RowEvidence:
    """The evidence that inversions `(P, K, C, H, W)`, or `(P, C, H, W)` from two seeds alike, are."""
    if inversions.dim() == 4:
        inversions = inversions[:, None].expand(-1, 2, -1, -1, -1)
    originals = photos() if originals is None else originals
    return RowEvidence(NOT_A_SUBJECT, "layer", originals, inversions, 1.0)  # type: ignore[arg-type]


def split(inversions: Tensor, originals: Tensor | None = None) -> dict[str, dict[str, float | None]]:
    """kept, free and invented, each by facet."""
    numbers, _ = Decomposition()(row(inversions, originals))
    return {
        part: {name.partition(".")[2]: value for name, value in numbers.items() if name.startswith(part)}
        for part in ("kept", "free", "invented")
    }


def rounded(pictures: Tensor) -> Tensor:
    """As an 8-bit PNG holds them."""
    return (pictures * 255).round() / 255


@pytest.mark.parametrize("contrast", [1.0, 0.3, 0.1])
def test_a_photo_is_kept_at_any_contrast(contrast: float) -> None:
    faded = 0.5 + contrast * (photos() - 0.5)
    assert min(split(faded)["kept"].values()) == pytest.approx(1, abs=1e-6)  # type: ignore[type-var]
    for one, picture in zip(photos(), faded, strict=True):
        assert min(split(picture[None], one[None])["kept"].values()) >= 0.99  # type: ignore[operator,type-var]
    assert min(itertools.chain(*kept_map(row(faded)))) == pytest.approx(1, abs=1e-6)  # type: ignore[type-var]
    assert IdentityKept()(row(faded))[0]["identity_kept"] == 1


def test_rounding_to_8_bits_costs_a_faded_photo_little() -> None:
    kept = split(rounded(0.5 + 0.1 * (photos() - 0.5)))["kept"]
    finest = list(kept)[-1]
    assert all(share is not None and share > 0.99 for name, share in kept.items() if name != finest)
    assert kept[finest] == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("grey", [0.0, 0.45, 0.5, 1.0])
def test_a_blank_picture_shows_nothing(grey: float) -> None:
    blank = rounded(torch.full_like(photos(), grey))
    shown = split(blank)
    assert set(shown["kept"]) == set(facets.names(3, SIDE, SIDE))
    assert {share for part in shown.values() for share in part.values()} == {None}
    assert {share for line in kept_map(row(blank)) for share in line} == {None}
    assert IdentityKept()(row(blank))[0]["identity_kept"] == pytest.approx(1 / 3)


def test_what_rounding_to_8_bits_adds_is_nothing_shown() -> None:
    """A photo without fine detail, and inversions whose only detail is that of rounding."""
    smooth = torch.nn.functional.interpolate(photos(), (6, 6), mode="area")
    smooth = torch.nn.functional.interpolate(smooth, (SIDE, SIDE), mode="bicubic").clamp(0, 1)
    noise = torch.randn((3, 4, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    shown = split(rounded(0.45 + 0.2 / 255 * noise), smooth)
    assert {share for part in shown.values() for share in part.values()} == {None}


def test_the_mean_photo_is_nothing_shown_whatever_its_contrast() -> None:
    mean = mean_photo((3, SIDE, SIDE)).expand(3, -1, -1, -1)
    for contrast in (0.5, 1.0, 2.0):
        shown = split(0.5 + contrast * (mean - 0.5))
        assert {share for part in shown.values() for share in part.values()} == {None}


def test_what_is_the_same_from_every_seed_and_not_the_photo_is_invented() -> None:
    assert all(share == pytest.approx(1) for share in split(1 - photos())["invented"].values())
    assert all(share == 0 for share in split(1 - photos())["kept"].values())


def test_colour_that_a_grey_photo_does_not_have_is_not_its_own() -> None:
    grey = photos().mean(1, keepdim=True).expand(-1, 3, -1, -1)
    assert split(photos(), grey)["kept"]["colour"] == 0
    assert split(photos(), grey)["invented"]["colour"] == pytest.approx(1)
    assert split(grey, grey)["kept"]["colour"] is None


def test_another_photo_is_not_kept_from_8_cycles_up() -> None:
    kept = split(photos().roll(1, 0))["kept"]
    fine = [share for name, share in kept.items() if name in ("cycles.8-16", "cycles.16-32", "cycles.32-48")]
    assert len(fine) == 3
    assert max(share or 0 for share in fine) <= 0.05
