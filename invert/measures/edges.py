"""Whether the edges of the photo run in the same directions in the inversion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from invert.measures import facets
from invert.measures.evidence import RowEvidence
from invert.measures.measure import Numbers, RowMeasure
from invert.protocols import Description

BINS = 9
GRID = 8


class EdgesKept(RowMeasure):
    """The mean intersection of gradient-orientation histograms, over the tiles of an 8 × 8 grid.

    Each tile of luminance has a histogram of 9 unsigned orientations weighted by gradient
    magnitude and normalised to 1 (as in HOG); the intersection is the sum of the bins' minima.
    Contrast does not matter, and noise, whose orientations are uniform, scores about 0.7: read
    it against the control, not against 0. Tiles without a gradient in the photo are left out,
    and those without one in the inversion score 0.
    """

    descriptions: ClassVar[Mapping[str, Description]] = {
        "edges_kept": Description(
            title="edges kept: intersection of gradient-orientation histograms",
            unit="share",
            range=(0, 1),
            better="higher",
            source="after the HOG comparison of Mahendran and Vedaldi, IJCV 2016; noise scores about 0.7",
        )
    }

    def __call__(self, row: RowEvidence) -> tuple[Numbers, Numbers]:
        photos = orientation_histograms(row.originals)[:, None]
        inversions = orientation_histograms(row.images)
        there = photos.sum(-1) > 0
        intersections = torch.minimum(photos, inversions).sum(-1)
        each = (intersections * there).sum((-1, -2)) / there.sum((-1, -2))
        return summarise("edges_kept", each.mean(1))


def orientation_histograms(images: Tensor) -> Tensor:
    """Images `(…, C, H, W)` as histograms `(…, 8, 8, 9)`, each summing to 1, or to 0 where a tile is flat."""
    luminance = images.double().mean(-3)
    dy, dx = torch.gradient(luminance, dim=(-2, -1))
    magnitude = torch.hypot(dx, dy)
    angle = torch.atan2(dy, dx) % math.pi
    bins = (angle / math.pi * BINS).long().clamp(max=BINS - 1)
    votes = torch.nn.functional.one_hot(bins, BINS) * magnitude[..., None]
    totals = facets.tiles(votes.movedim(-1, -3).unsqueeze(-3), GRID).sum(-1).movedim((0, 1), (-3, -2))
    mass = totals.sum(-1, keepdim=True)
    return torch.where(mass > 1e-6, totals / mass.clamp_min(1e-12), 0.0)


def summarise(name: str, per_photo: Tensor) -> tuple[Numbers, Numbers]:
    """The mean over photos `(P,)` that have a value, and its spread where two have."""
    values = per_photo[per_photo.isfinite()]
    mean = float(values.mean()) if len(values) else None
    return {name: mean}, {name: float(values.std()) if len(values) > 1 else None}
