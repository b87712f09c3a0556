"""How far other seeds move a number, where the answer is known; and how often that is exceeded by chance."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from invert.measures import RowEvidence, measure_row
from invert.measures.noise import Parts, parts_of_mean, parts_of_row
from invert.sweeps.intervals import (
    Noise,
    noise_of_photos,
    noise_of_seeds,
    stand_out,
    t_quantile,
    two_sided_p,
)


def smooth(*shape: int, generator: torch.Generator) -> Tensor:
    """Pictures `(*shape, 3, 16, 16)` that are strongest at low frequencies, as photos are."""
    cycles = torch.fft.fftfreq(16) * 16
    radius = torch.hypot(cycles[:, None], cycles[None, :]).clamp_min(1)
    white = torch.randn(*shape, 3, 16, 16, generator=generator)
    return 0.15 * torch.fft.ifft2(torch.fft.fft2(white) / radius).real


def inversions(photos: Tensor, seeds: int, gain: float, generator: torch.Generator) -> RowEvidence:
    """Of each photo `seeds` pictures that show so much of it, and as much that is each seed's own."""
    own = smooth(len(photos), seeds, generator=generator)
    return RowEvidence(None, "layer", photos, 0.5 + gain * (photos[:, None] - 0.5) + own, 1.0)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 12, 60, 200])
def test_students_t_is_scipys(freedom: int) -> None:
    for t in (0.1, 1, 3, 12):
        assert two_sided_p(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), abs=1e-12)
    for confidence in (0.9, 0.95, 0.9999):
        assert t_quantile(confidence, freedom) == pytest.approx(stats.t.ppf(0.5 + confidence / 2, freedom))


def test_the_noise_of_a_mean_is_the_textbooks() -> None:
    values = torch.tensor([[1.0, 2.0, 6.0], [12.0, 11.0, 10.0]], dtype=torch.float64)
    noise = noise_of_seeds(parts_of_mean(values).seeds)
    assert noise.variance == pytest.approx(float((values.var(1) / 3 / 4).sum()))
    only = noise_of_seeds(parts_of_mean(values[:1]).seeds)
    low, high = stats.t.interval(0.95, 2, loc=3, scale=stats.sem([1.0, 2.0, 6.0]))
    assert only.half_width() == pytest.approx((high - low) / 2)


def test_two_sides_add_as_welch_has_them() -> None:
    a, b = [1.0, 2.0, 6.0, 4.0], [3.0, 3.5, 3.2]
    noise = noise_of_seeds(parts_of_mean(torch.tensor([a])).seeds)
    noise = noise + noise_of_seeds(parts_of_mean(torch.tensor([b])).seeds)
    known = stats.ttest_ind(a, b, equal_var=False)
    assert noise.freedom == pytest.approx(known.df, rel=1e-5)
    change = sum(b) / 3 - sum(a) / 4
    assert change / math.sqrt(noise.variance) == pytest.approx(-known.statistic, rel=1e-5)


def test_a_seed_that_is_good_for_every_photo_is_not_averaged_away() -> None:
    """Eight photos share the luck of their seeds: the noise is that of one photo."""
    luck = torch.tensor([[-1.0, 0.0, 1.0, 2.0]]).expand(8, -1)
    shared = noise_of_seeds(parts_of_mean(luck).seeds)
    assert shared.variance == pytest.approx(noise_of_seeds(parts_of_mean(luck[:1]).seeds).variance)
    generator = torch.Generator().manual_seed(0)
    own = torch.stack([luck[0][torch.randperm(4, generator=generator)] for _ in range(8)])
    assert noise_of_seeds(parts_of_mean(own).seeds).variance < 0.4 * shared.variance


def test_photos_are_noise_of_their_own() -> None:
    values = torch.tensor([[1.0, 1.0], [5.0, 5.0], [9.0, 9.0]])
    parts = parts_of_mean(values)
    assert noise_of_seeds(parts.seeds).variance == 0
    assert noise_of_photos(parts.photos).variance == pytest.approx(16 / 3)


def test_what_seeds_add_sums_to_nothing_and_predicts_a_seed_left_out() -> None:
    generator = torch.Generator().manual_seed(0)
    photos = 0.5 + smooth(2, generator=generator)
    row = inversions(photos, 4, 0.6, generator)
    parts = parts_of_row(row)
    for name in ("kept.luminance", "free.colour", "kept.cycles.1-4", "recovered.colour", "place_kept"):
        if name in parts:
            assert parts[name].seeds.sum(1).abs().max() < 1e-12, name
    fewer = RowEvidence(None, "layer", photos, row.images[:, 1:], 1.0)
    both = sum(float(parts["recovered.luminance"].seeds[p, 0]) for p in range(2)) / 3
    difference = measure_row(row)[0]["recovered.luminance"] - measure_row(fewer)[0]["recovered.luminance"]  # type: ignore[operator]
    assert difference == pytest.approx(both, rel=1e-6)  # linear: so exact


def kept_p(photos: int, seeds: int, gains: tuple[float, float], draw: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(draw)
    pictures = 0.5 + smooth(photos, generator=generator)
    rows = [inversions(pictures, seeds, gain, generator) for gain in gains]
    numbers = [measure_row(row)[0] for row in rows]
    parts = [parts_of_row(row) for row in rows]
    found = {}
    for name in parts[0]:
        if name.startswith("kept."):
            noise = noise_of_seeds(parts[0][name].seeds) + noise_of_seeds(parts[1][name].seeds)
            found[name] = noise.p(numbers[1][name] - numbers[0][name])  # type: ignore[operator]
    return found


@pytest.mark.parametrize("photos, seeds", [(1, 3), (1, 4), (3, 4)])
def test_the_same_network_under_other_seeds_is_within_its_noise(photos: int, seeds: int) -> None:
    found = [p for draw in range(25) for p in kept_p(photos, seeds, (0.7, 0.7), draw).values()]
    assert len(found) >= 25 * 4
    assert sum(p < 0.05 for p in found) / len(found) < 0.12


def test_what_is_really_lost_is_beyond_it() -> None:
    found = [p for draw in range(10) for p in kept_p(2, 4, (1.5, 0.3), draw).values()]
    assert sum(p < 0.05 for p in found) / len(found) > 0.7


def test_many_at_once_are_marked_by_chance_in_one_comparison_of_twenty() -> None:
    generator = torch.Generator().manual_seed(0)
    null = torch.rand(400, 100, generator=generator)
    assert sum(any(stand_out(p.tolist())) for p in null) / 400 < 0.09
    assert sum(bool((p < 0.05).any()) for p in null) / 400 > 0.9  # each alone cries wolf


def test_what_stands_out_is_marked_and_nothing_else() -> None:
    assert stand_out([0.6, 1e-6, 0.012, 0.011, 0.04]) == [False, True, True, True, False]
    assert stand_out([]) == []


def test_two_seeds_tell_no_noise_of_what_is_kept() -> None:
    generator = torch.Generator().manual_seed(0)
    row = inversions(0.5 + smooth(2, generator=generator), 2, 0.6, generator)
    assert not [name for name in parts_of_row(row) if name.startswith("kept.")]


@pytest.mark.parametrize("error", [AssertionError, SystemExit])
def test_a_row_measure_that_fails_without_its_network_is_without_noise(
    error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    from invert.measures.place import PlaceKept

    def needs_it(self: PlaceKept, row: RowEvidence) -> Any:
        if row.subject is None:
            raise error

    monkeypatch.setattr(PlaceKept, "__call__", needs_it)
    generator = torch.Generator().manual_seed(0)
    parts = parts_of_row(inversions(0.5 + smooth(1, generator=generator), 3, 0.6, generator))
    assert "place_kept" not in parts and isinstance(parts["kept.luminance"], Parts)


def test_no_noise_is_no_doubt() -> None:
    assert Noise(0.0, 3).p(0.0) == 1 and Noise(0.0, 3).p(0.1) == 0
