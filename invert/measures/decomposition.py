"""What several inversions of one code share with the photo, leave open, and make up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

import torch
from torch import Tensor

from invert.measures import facets
from invert.measures.evidence import RowEvidence
from invert.measures.measure import Numbers, RowMeasure
from invert.protocols import Description

NOTHING_SHOWN = 1e-3
"""Below this `shown` an inversion shows nothing of a facet, and shares of nothing are null."""
HALF_A_LEVEL = 0.5 / 255
"""Nor does it where its numbers are smaller than this (rms): rounding to 8 bits moves them as far."""

_SOURCE = "invert: energy split over K inversions of one code, pooled over photos (docs/measures.md)"


@dataclass(frozen=True)
class Energy:
    """The energies of P photos in one facet, each `(P,)`, in squared image units summed over the facet.

    photo ‖u‖², shown T = mean ‖v_s‖², kept + free + invented = T, and overlap ⟨v̄, u⟩; least is what
    T must exceed for anything to be shown.
    """

    photo: Tensor
    shown: Tensor
    kept: Tensor
    free: Tensor
    overlap: Tensor
    least: Tensor

    @property
    def invented(self) -> Tensor:
        return self.shown - self.kept - self.free


def decompose(photos: Tensor, inversions: Tensor) -> Energy:
    """Split what inversions `(P, K, N)` of photos `(P, N)` show; both are facets as `pictured` has them.

    kept = ⟨v̄, u⟩² / ‖u‖², where ⟨v̄, u⟩ > 0, else 0. Squaring the mean of K seeds adds the
    variance of that mean, so the square is taken over pairs of different seeds, whose expectation
    does not depend on K. free = K/(K−1) mean ‖v_s − v̄‖² is the variance over seeds. Both need
    K ≥ 2 and are NaN for one seed. Single estimates may fall slightly below 0.
    """
    u, v = photos.double(), inversions.double()
    k = v.shape[1]
    photo = u.square().sum(-1)
    shown = v.square().sum(-1).mean(1)
    products = torch.einsum("pkn,pn->pk", v, u)
    overlap = products.mean(1)
    pairs = (products.sum(1).square() - products.square().sum(1)) / (k * (k - 1)) if k > 1 else math.nan
    kept = torch.where(overlap > 0, pairs / photo, 0.0).where(photo > 0, torch.zeros_like(photo))
    variance = (v - v.mean(1, keepdim=True)).square().sum(-1).mean(1)
    free = variance * (k / (k - 1)) if k > 1 else torch.full_like(variance, math.nan)
    least = (NOTHING_SHOWN * photo).clamp_min(u.shape[-1] * HALF_A_LEVEL**2)
    return Energy(photo, shown, kept + (0.0 if k > 1 else math.nan), free, overlap, least)


class Decomposition(RowMeasure):
    """kept, free and invented as shares of what the inversions show, and how much they show.

    They say what a set of inversions *under one prior* reveals: a better prior can reveal more of
    the same code, so `kept` is a lower bound on what the layer holds. `kept` needs the photo in
    its place: a facet that survives but moves counts as invented or free.
    """

    descriptions: ClassVar[Mapping[str, Description]] = {
        "kept": Description("kept: the part that is the photo", "share of T", (0, 1), "higher", _SOURCE),
        "free": Description("free: where seeds disagree", "share of T", (0, 1), "neither", _SOURCE),
        "invented": Description(
            "invented: where seeds agree, but not with the photo", "share of T", (0, 1), "lower", _SOURCE
        ),
        "shown": Description("shown: T / ‖u‖², contrast", "ratio", (0, math.inf), "neither", _SOURCE),
        "recovered": Description(
            "recovered: ⟨v̄, u⟩ / ‖u‖², gain", "ratio", (-math.inf, math.inf), "neither", _SOURCE
        ),
    }

    def __call__(self, row: RowEvidence) -> tuple[Numbers, Numbers]:
        numbers: Numbers = {}
        spreads: Numbers = {}
        for facet, energy in energies(row).items():
            for name, value in shares(energy).items():
                numbers[f"{name}.{facet}"] = value
            for name, value in _spread(energy).items():
                spreads[f"{name}.{facet}"] = value
        return numbers, spreads


def energies(row: RowEvidence) -> dict[str, Energy]:
    """The energies of a row's photos, by facet; one photo after the other, as facets take much memory."""
    found: dict[str, list[Energy]] = {}
    for original, images in zip(row.originals, row.images, strict=True):
        photos, inversions = facets.pictured(original[None]), facets.pictured(images[None])
        for facet in photos:
            found.setdefault(facet, []).append(decompose(photos[facet], inversions[facet]))
    parts = [part.name for part in fields(Energy)]
    return {
        facet: Energy(*(torch.cat([getattr(each, part) for each in energies]) for part in parts))
        for facet, energies in found.items()
    }


def shares(energy: Energy) -> Numbers:
    """The pooled measures of one facet: energies are summed over photos first, then divided."""
    photo, shown = float(energy.photo.sum()), float(energy.shown.sum())
    parts = {"kept": energy.kept, "free": energy.free, "invented": energy.invented}
    visible = shown > float(energy.least.sum())
    return {
        **{name: float(part.sum()) / shown if visible else None for name, part in parts.items()},
        "shown": shown / photo if photo > 0 else None,
        "recovered": float(energy.overlap.sum()) / photo if photo > 0 else None,
    }


def kept_map(row: RowEvidence, grid: int = 8) -> list[list[float | None]]:
    """The share kept at each place of the picture, over all channels; null where nothing is shown."""
    photos = facets.tiles(facets.pictured_whole(row.originals), grid)
    inversions = facets.tiles(facets.pictured_whole(row.images), grid)
    cells = [
        [shares(decompose(photos[y, x], inversions[y, x]))["kept"] for x in range(grid)] for y in range(grid)
    ]
    return [
        [value if value is not None and math.isfinite(value) else None for value in line] for line in cells
    ]


def _spread(energy: Energy) -> Numbers:
    """The standard deviation over photos of each photo's own share; null for one photo."""
    seen = energy.shown > energy.least
    if int(seen.sum()) < 2:
        return {}
    parts = {"kept": energy.kept, "free": energy.free, "invented": energy.invented}
    return {name: float((part / energy.shown)[seen].std()) for name, part in parts.items()}
