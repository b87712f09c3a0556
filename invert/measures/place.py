"""Whether what is in the inversion sits where it was in the photo."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from invert.measures.edges import summarise
from invert.measures.evidence import RowEvidence
from invert.measures.measure import Numbers, RowMeasure
from invert.protocols import Description

SIDE = 64
"""Pictures are compared at 64 × 64, so distances come in steps of a 64th of the side."""
TILE = 24
STRIDE = 8
SOURCE = "invert: normalised cross-correlation of tiles' edges with the whole photo's (docs/measures.md)"


class PlaceKept(RowMeasure):
    """How far, in pixels, tiles of the inversion sit from where they match the photo best (median).

    Tiles of three eighths of the picture's side are matched against every place of the photo by
    the normalised cross-correlation of their edges in four directions, so brightness, contrast
    and colour do not matter: outlines do. 0 is in place. `place_chance` is the distance to a
    place chosen at random: a displacement near it means that position is lost.
    """

    descriptions: ClassVar[Mapping[str, Description]] = {
        "place_kept": Description(
            "place kept: displacement of tiles (median)", "pixels", (0, math.inf), "lower", SOURCE
        ),
        "place_chance": Description(
            "displacement expected where position is lost",
            "pixels",
            (0, math.inf),
            "neither",
            SOURCE,
            short="place by chance",
        ),
    }

    def __call__(self, row: RowEvidence) -> tuple[Numbers, Numbers]:
        side = min(row.originals.shape[-2:])
        if side < TILE:
            return dict.fromkeys(self.descriptions), {}
        scale = side / SIDE
        inversions = row.images.unbind(0)
        pairs = zip(row.originals, inversions, strict=True)
        kept = torch.stack([displacement(inversion, photo) for photo, inversion in pairs]) * scale
        numbers, spreads = summarise("place_kept", kept)
        return {**numbers, "place_chance": _chance() * scale}, spreads


def displacement(images: Tensor, photo: Tensor) -> Tensor:
    """The median distance, in 64ths of the picture, of tiles of images `(K, C, H, W)` from their best match
    in a photo `(C, H, W)`: a scalar; NaN where no tile has any contrast."""
    windows = _windows(photo[None], 1)[0]
    tiles = _windows(images, STRIDE)
    there = tiles.norm(dim=-1) > 0.5  # tiles without edges were set to 0: they match anything
    scores = tiles @ windows.T
    best = scores.argmax(-1)
    homes = _corners(STRIDE).to(photo.device)
    distance = (_corners(1).to(photo.device)[best] - homes).double().norm(dim=-1)
    found = distance[there]
    return found.median() if len(found) else torch.tensor(math.nan, dtype=torch.float64)


def _windows(images: Tensor, stride: int) -> Tensor:
    """The edge maps of all tiles of images `(K, C, H, W)`, zero-mean, of unit norm: `(K, places, N)`."""
    maps = _edges(images)
    unfolded = F.unfold(maps, TILE, stride=stride).movedim(1, -1)
    tiles = unfolded.reshape(*unfolded.shape[:2], maps.shape[1], TILE**2)
    tiles = (tiles - tiles.mean(-1, keepdim=True)).flatten(-2)
    norm = tiles.norm(dim=-1, keepdim=True)
    # Less than a grey level of contrast is nothing to match.
    return torch.where(norm > TILE / 255, tiles / norm.clamp_min(1e-12), 0.0)


def _edges(images: Tensor) -> Tensor:
    """How strong the edges are in four directions, blurred a little: `(K, 4, SIDE, SIDE)`."""
    luminance = F.interpolate(images.mean(1, keepdim=True), (SIDE, SIDE), mode="bilinear", antialias=True)
    x = F.pad(luminance.diff(dim=-1), (0, 1))
    y = F.pad(luminance.diff(dim=-2), (0, 0, 0, 1))
    directions = torch.cat([x, y, (x + y) / 2**0.5, (x - y) / 2**0.5], dim=1)
    return F.avg_pool2d(directions.abs(), 3, stride=1, padding=1)


def _corners(stride: int) -> Tensor:
    along = torch.arange(0, SIDE - TILE + 1, stride)
    return torch.cartesian_prod(along, along)


def _chance() -> float:
    """The median distance of a tile from a place chosen uniformly."""
    homes, places = _corners(STRIDE).double(), _corners(1).double()
    return float(torch.cdist(homes, places).flatten().median())
