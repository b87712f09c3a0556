"""Whether the outlines of the photo are in the inversion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from invert.measures.evidence import RowEvidence
from invert.measures.measure import Numbers, RowMeasure
from invert.protocols import Description

SIDE = 64
"""Outlines are those that can be seen at 64 × 64: of things, not of their texture."""
AROUND = 21
"""A stretch of outline counts beside what is within ten 64ths of the side, not beside the whole picture."""
FLAT = 0.25 / 255
"""A root mean square gradient (a 64th of the side) below this is rounding, not an outline."""


class EdgesKept(RowMeasure):
    """How well outlines agree with the photo's, place by place: 1 for the photo itself, 0 for noise.

    The directions of edges, as a field of (gx + i gy)², which a change of sign (polarity) leaves as
    it is; averaged over 5/64 of the side, the play that an outline has; divided by the edges
    around, so that contrast does not matter; correlated with the photo's over all places. Below 0
    edges run across the photo's. Unlike photos score about 0, as the control shows. Null where
    there are no edges.
    """

    descriptions: ClassVar[Mapping[str, Description]] = {
        "edges_kept": Description(
            title="outlines kept: correlation of the directions of edges (0: noise)",
            unit="share",
            range=(-1, 1),
            better="higher",
            source="invert: structure tensors (Bigün and Granlund, ICCV 1987), correlated (docs/measures.md)",
        )
    }

    def __call__(self, row: RowEvidence) -> tuple[Numbers, Numbers]:
        photos = outlines(row.originals)
        agreement = [
            (outlines(inversions) * photo).sum((-3, -2, -1))
            for inversions, photo in zip(row.images, photos, strict=True)
        ]
        return summarise("edges_kept", torch.stack(agreement).nanmean(1))


def outlines(images: Tensor) -> Tensor:
    """The edge directions of images `(B, C, H, W)`, a field `(B, 2, 64, 64)` of unit norm; NaN where flat."""
    luminance = images.double().mean(1, keepdim=True)
    seen = F.interpolate(luminance, (SIDE, SIDE), mode="bilinear", antialias=True)
    dy, dx = torch.gradient(_average(_average(seen, 3), 3), dim=(-2, -1))
    energy = dx.square() + dy.square()
    directions = _average(torch.cat([dx.square() - dy.square(), 2 * dx * dy], dim=1), 5)
    overall = energy.mean((-2, -1), keepdim=True)
    directions = directions / (_average(energy, AROUND) + 0.1 * overall)
    # Squares of gradients: the root gives faint outlines the weight that they have to the eye.
    strength = torch.linalg.vector_norm(directions, dim=1, keepdim=True)
    directions = directions / strength.sqrt().clamp_min(1e-9)
    directions = directions - directions.mean((-2, -1), keepdim=True)  # many photos have upright edges
    length = torch.linalg.vector_norm(directions, dim=(-3, -2, -1), keepdim=True)
    return torch.where(overall > FLAT**2, directions / length.clamp_min(1e-9), math.nan)


def _average(maps: Tensor, width: int) -> Tensor:
    """The mean over squares of an odd `width`, of what lies inside the picture."""
    return F.avg_pool2d(maps, width, stride=1, padding=width // 2, count_include_pad=False)


def summarise(name: str, per_photo: Tensor) -> tuple[Numbers, Numbers]:
    """The mean over photos `(P,)` that have a value, and its spread where two have."""
    values = per_photo[per_photo.isfinite()]
    mean = float(values.mean()) if len(values) else None
    return {name: mean}, {name: float(values.std()) if len(values) > 1 else None}
