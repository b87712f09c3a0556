"""The code of a photo at a layer, sketched in a few numbers, so that two runs can be held against each
other without their networks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist

import torch
from torch import Tensor

from invert.subjects import Subject

NUMBERS = 32
"""The squared distance of two sketches is that of the codes within about a quarter (√(2 / 32))."""

ROUNDING = 1e-9
"""Squared distances below this, as a share of the code's energy, are rounding: the codes are the same."""


def sketches(subject: Subject, layer: str, photos: Iterable[tuple[str, Tensor]]) -> dict[str, list[float]]:
    """Photos `(1, C, H, W)` by id, as sketches of their codes at a layer; without those not finite."""
    found: dict[str, list[float]] = {}
    for i, pixels in photos:
        with torch.no_grad():
            code = subject.activations(pixels, [layer])[layer]
        if bool(code.isfinite().all()):
            found[i] = sketch(code)
    return found


def sketch(code: Tensor) -> list[float]:
    """A code of N numbers as 32 sums of them with random signs, the same ones for every code of N.

    The count sketch of Charikar, Chen and Farach-Colton 2002: linear, and true to distances on average.
    """
    values = code.detach().double().cpu().flatten()
    generator = torch.Generator().manual_seed(0)
    signs = 2 * torch.randint(2, values.shape, generator=generator) - 1
    places = torch.randint(NUMBERS, values.shape, generator=generator)
    sums = torch.zeros(NUMBERS, dtype=torch.float64).index_add(0, places, values * signs)
    return [float(f"{value:.7g}") for value in sums.tolist()]


def code_interval(change: float, confidence: float) -> tuple[float, float]:
    """Where ‖Φ_B − Φ_A‖² / ‖Φ_A‖² lies that the sketches put at `change`: 0 is exact, none is negative.

    The 32 sums of many numbers are as good as normal, so that the estimate is the truth times a ratio of two
    χ², F with 32 and 32 degrees of freedom; its quantile is that of Abramowitz and Stegun 1964, 26.6.22.
    Photos are not counted as independent of one another, which errs to the safe side.
    """
    z, freedom = NormalDist().inv_cdf((1 + confidence) / 2), NUMBERS - 1
    factor = math.exp(2 * z * math.sqrt(freedom + (z**2 - 3) / 6) / freedom)
    return change / factor, change * factor


def code_change(pairs: list[tuple[list[float], list[float]]]) -> float | None:
    """‖Φ_B − Φ_A‖² / ‖Φ_A‖², estimated from the sketches of each photo in A and B: the mean over photos.

    0 where no more than rounding differs; None where there is no photo, or nothing to compare.
    """
    changes = []
    for a, b in pairs:
        before, after = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
        energy = float(before.square().sum())
        if len(a) != NUMBERS or len(b) != NUMBERS or not 0 < energy < math.inf:
            return None
        changes.append(float((after - before).square().sum()) / energy)
    if not changes:
        return None
    mean = sum(changes) / len(changes)
    if not math.isfinite(mean):
        return None
    return mean if mean > ROUNDING else 0.0
