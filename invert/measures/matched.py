"""Whether a feature error is small enough, for its layer, that what the picture shows can be read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

import torch
from torch import Tensor

from invert.report import ENOUGH_DB, ENOUGH_PERCENT, Match, RowMatch, no_more_than_enough
from invert.subjects import Subject

MOST_DB = 100.0
"""What an error of 0 gets, which is infinitely many decibels below any."""

BATCH = 8
BLOCKS = 10
FALL, AGREEMENT = 0.05, 0.6
"""A loss falls where it loses 5 % over the last quarter, and at least 80 % of pairs of blocks fell."""


@dataclass(frozen=True)
class Null:
    """The feature errors between unlike pictures at one layer: what an error is small against.

    After Feather et al. (Nature Neuroscience 2023), whose metamers have to be nearer to their photo
    than photos are to one another. `errors` are in ascending order, one a pair; `of` says of what the
    pictures are, `photos` or `crops`.
    """

    errors: tuple[float, ...]
    of: str
    pictures: int

    @property
    def median(self) -> float:
        return median(self.errors)

    @property
    def enough(self) -> float:
        """The largest error that is matched well enough to be read."""
        allowed = max(int((len(self.errors) + 1) * ENOUGH_PERCENT / 100) - 1, 0)
        return min(self.median * 10 ** (-ENOUGH_DB / 10), self.errors[allowed])

    def percentile(self, error: float) -> float:
        """The percentage of pairs with at most that error, the error itself counted as one of them.

        So it is never 0: n pairs cannot tell of less than 1 in n (Phipson and Smyth, 2010).
        """
        below = sum(other <= error for other in self.errors)
        return 100 * (below + 1) / (len(self.errors) + 1)

    def decibels(self, error: float) -> float:
        """10 log₁₀ of the pairs' median error over this error, at most `MOST_DB`."""
        return min(10 * math.log10(self.median / error), MOST_DB) if error > 0 else MOST_DB

    def match(self, error: float, falling: bool | None) -> Match:
        """What a run says of its match (docs/files.md)."""
        percentile, snr = self.percentile(error), self.decibels(error)
        enough = snr >= ENOUGH_DB and percentile <= ENOUGH_PERCENT
        pairs = len(self.errors)
        return Match(
            percentile=percentile, snr_db=snr, falling=falling, enough=enough, of=self.of, pairs=pairs
        )

    def row_match(self, errors: Sequence[float], matches: Sequence[Match]) -> RowMatch:
        """That of a row: of the error which nine in ten of its runs are not above.

        Its loss was falling where that of most of the runs was which are not matched (of all, where all are).
        """
        error = sorted(errors)[math.ceil(0.9 * len(errors)) - 1]
        unmatched = [match for match in matches if not match.enough]
        known = [match.falling for match in unmatched or matches if match.falling is not None]
        own = self.match(error, 2 * sum(known) >= len(known) if known else None)
        return RowMatch(**vars(own), error=error, runs=len(errors), matched=len(errors) - len(unmatched))


def errors_between(
    subject: Subject, layer: str, pictures: Tensor, pairs: Sequence[tuple[int, int]]
) -> tuple[float, ...]:
    """The feature errors between pairs of pictures `(N, C, H, W)` at `layer`, in ascending order.

    A pair has two, one with either as the target; the smaller counts. Pairs at whose target the
    layer is silent, or not finite, are left out.
    """
    with torch.no_grad():
        batches = [
            subject.activations(batch.to(subject.device), [layer])[layer].flatten(1).float()
            for batch in torch.split(pictures, BATCH)
        ]
    features = torch.cat(batches)
    products = (features @ features.T).double().cpu()
    energies = products.diag()
    found = []
    for i, j in pairs:
        between = energies[i] + energies[j] - 2 * products[i, j]
        error = float(between / torch.maximum(energies[i], energies[j]))
        if math.isfinite(error):
            found.append(float(f"{max(error, 0.0):.6g}"))
    return tuple(sorted(found))


def still_falling(loss: Sequence[float]) -> bool | None:
    """Whether the loss of each step was still falling at the end; None for fewer than 20 steps.

    The last quarter (at least 40 steps) is cut into ten blocks and each represented by its median,
    so that neither noise nor a spike decides. Falling is a typical slope (Theil and Sen: the median
    over pairs of blocks) of 5 % or more over the quarter, on which 80 % of the pairs agree (Kendall's
    τ ≤ −0.6), as they do in noise less than once in a hundred times.
    """
    finite = [max(value, 1e-12) for value in loss if math.isfinite(value)]
    if len(finite) < 2 * BLOCKS:
        return None
    window = finite[-max(len(finite) // 4, min(len(finite), 4 * BLOCKS)) :]
    size = len(window) / BLOCKS
    blocks = [math.log(median(window[round(b * size) : round((b + 1) * size)])) for b in range(BLOCKS)]
    slopes = [(blocks[b] - blocks[a]) / (b - a) for a, b in combinations(range(BLOCKS), 2)]
    fell = sum(slope < 0 for slope in slopes) - sum(slope > 0 for slope in slopes)
    return median(slopes) * BLOCKS <= math.log(1 - FALL) and fell >= AGREEMENT * len(slopes)


def told(match: Match) -> str:
    """A match in words: `smaller than 100 % of 780 pairs of unlike crops, 22 dB`."""
    above = match.pairs + 1 - round(match.percentile * (match.pairs + 1) / 100)
    whole = 100 * above // match.pairs  # not 100 % where one pair is as near
    return f"smaller than {whole} % of {match.pairs} pairs of unlike {match.of}, {match.decibels}"


def unreadable(match: RowMatch) -> str:
    """The sentence of a row that is not matched well enough to be read, instead of what it keeps."""
    sentence = f"not matched well enough to be read: its feature error {match.error:.2g} is {_near(match)}"
    if match.falling is None:
        return sentence
    return sentence + (", and was still falling" if match.falling else ", and had stopped falling")


def _near(match: RowMatch) -> str:
    """How far it is from what would do; no number is rounded to that."""
    if match.snr_db >= ENOUGH_DB:
        return (
            f"no smaller than that of {math.ceil(match.percentile)} % of the pairs of unlike {match.of} "
            f"({ENOUGH_PERCENT:.0f} % would do)"
        )
    below = no_more_than_enough(match.snr_db, 1)
    near = f"{below:.1f} dB below" if below > 0 else "no nearer than"
    return f"{near} that between unlike {match.of} ({ENOUGH_DB:.0f} dB would do)"
