"""How far other seeds alone move a number: standard errors, 95 % intervals, and many of them at once.

What each inversion adds to a number (`invert.measures.noise`) has a variance, and with it a
Student t interval. Bootstrap percentiles are too narrow for the three or four seeds that
a row has; t is as wide as it should be at any number (`benchmarks/compare_noise.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

CONFIDENCE = 0.95
LARGEST = 1e60
"""Of a number beyond this, which no measure gives, no float holds the square of a variance."""
MOST_FREEDOM = 200
"""Degrees of freedom beyond which t is normal to three digits."""


@dataclass(frozen=True)
class Noise:
    """The variance of a number, and the degrees of freedom with which it is known."""

    variance: float
    freedom: float

    def __add__(self, other: Noise) -> Noise:
        """Of the sum or difference of two independent numbers (Welch 1947, Satterthwaite 1946)."""
        variance = self.variance + other.variance
        if variance == 0:
            return Noise(0.0, self.freedom + other.freedom)
        parts = self.variance**2 / self.freedom + other.variance**2 / other.freedom
        return Noise(variance, variance**2 / parts if parts > 0 else self.freedom + other.freedom)

    def half_width(self, confidence: float = CONFIDENCE) -> float:
        """The noise floor: that far either way lies a number where nothing but the seeds differs."""
        return t_quantile(confidence, self.freedom) * math.sqrt(self.variance)

    def p(self, change: float) -> float:
        """How likely noise alone is to make a change at least as large, either way."""
        if self.variance == 0:
            return 1.0 if change == 0 else 0.0
        return two_sided_p(change / math.sqrt(self.variance), self.freedom)


def noise_of_seeds(parts: Tensor) -> Noise:
    """The noise of a number to which the inversions of P photos from K ≥ 2 seeds add `parts` `(P, K)`.

    Inversions of different photos count as independent, unless a seed that is good for one
    photo is seen to be good for the others too: what the seeds' sums vary beyond that is added.
    """
    seeds = parts.shape[1]
    each = parts.double().var(1) / seeds
    apart = Noise(float(each.sum()), float(each.sum().square() / (each.square().sum() / (seeds - 1))))
    if apart.variance == 0:
        return Noise(0.0, float(parts.shape[0] * (seeds - 1)))
    together = float(parts.double().sum(0).var()) / seeds
    excess = Noise(max(0.0, together - apart.variance), seeds - 1)
    return apart + excess


def noise_of_photos(parts: Tensor) -> Noise:
    """The noise of a number from photo to photo, to which P ≥ 2 photos add `parts` `(P,)`."""
    photos = len(parts)
    return Noise(float(parts.double().var()) / photos, photos - 1)


def stand_out(p: Sequence[float], chance: float = 1 - CONFIDENCE) -> list[bool]:
    """Which of many p values are beyond noise, the chance that any is so wrongly being 5 % (Holm 1979)."""
    found = [False] * len(p)
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[index] > chance / (len(p) - rank):
            break
        found[index] = True
    return found


def two_sided_p(t: float, freedom: float) -> float:
    """P(|T| ≥ |t|) of Student's t; freedom is rounded down, which errs to the safe side.

    The finite series of Abramowitz and Stegun 1964, 26.7.3 and 26.7.4.
    """
    n = max(1, min(int(freedom), MOST_FREEDOM))
    angle = math.atan2(abs(t), math.sqrt(n))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = n % 2
    term = cosine if odd else 1.0
    total = 0.0 if n == 1 else term
    for k in range(2 + odd, n - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return max(0.0, 1.0 - inside)


def t_quantile(confidence: float, freedom: float) -> float:
    """The t beyond which, either way, 1 − `confidence` of Student's t lies."""
    low, high = 0.0, 1.0
    while two_sided_p(high, freedom) > 1 - confidence:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_p(middle, freedom) > 1 - confidence else (low, middle)
    return high
