"""Random views of an image: slightly shifted, enlarged, rotated, blurred and noisy.

What drives a unit up from every view is a shape; what drives it up from one alone is a pattern of
pixels that only this network sees. The same for every prior, because it stands between the image
and the network.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from invert.errors import RequestError
from invert.protocols import Plugin, Rngs


@dataclass(frozen=True, kw_only=True)
class RandomViews(Plugin):
    """`count` random similarity crops of each image at each step; the loss is the mean over it and them.

    The image itself is there because it is what will be shown. A view shows a square-on part of
    `smallest_crop` to all of the picture's height and width, somewhere within it, turned by up to
    `rotation` degrees either way, at the picture's full size but only `lowest_resolution` to all of
    its resolution, with Gaussian noise of standard deviation `noise` (image units) on top: a shape
    that needs no fine texture convinces other networks too. Beyond the border the picture is
    reflected. The kind of transformations is Lucid's (Olah, Mordvintsev, Schubert: "Feature
    Visualization", Distill 2017). Raises `RequestError` for a setting out of range.
    """

    name: ClassVar[str] = "random"

    count: int = 7
    smallest_crop: float = 0.7
    rotation: float = 12.0
    lowest_resolution: float = 0.35
    noise: float = 0.02

    def __post_init__(self) -> None:
        checks = {
            f"views: count is {self.count}: it must be 1 or more": self.count >= 1,
            f"views: smallest_crop is {self.smallest_crop}: it must be above 0 and at most 1": (
                0 < self.smallest_crop <= 1
            ),
            f"views: lowest_resolution is {self.lowest_resolution}: it must be above 0 and at most 1": (
                0 < self.lowest_resolution <= 1
            ),
            f"views: rotation is {self.rotation}: it must lie between 0 and 180": 0 <= self.rotation <= 180,
            f"views: noise is {self.noise}: it must be 0 or more": self.noise >= 0,
        }
        for problem, fine in checks.items():
            if not fine:
                raise RequestError(problem)

    def start(self, rngs: Rngs) -> Viewer:
        """The transformation for one problem a generator, which it draws from at each step."""
        return Viewer(self, rngs)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Viewer:
    """Views of B problems; the random numbers of one do not depend on the others."""

    def __init__(self, settings: RandomViews, rngs: Rngs) -> None:
        self.settings, self._generators = settings, list(rngs)

    def generators(self) -> list[torch.Generator]:
        """One a problem: what a checkpoint saves."""
        return self._generators

    def __call__(self, images: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B · (1 + count), C, H, W)`: an image, its views, the next; differentiable."""
        s = self.settings
        if len(images) != len(self._generators):
            raise ValueError(f"{len(images)} images for the views of {len(self._generators)} problems")
        views = images.repeat_interleave(s.count, dim=0)
        if s.smallest_crop < 1 or s.rotation > 0:
            maps = torch.cat([self._similarities(g, images) for g in self._generators])
            grid = F.affine_grid(maps, list(views.shape), align_corners=False)
            views = F.grid_sample(views, grid, padding_mode="reflection", align_corners=False)
        if s.lowest_resolution < 1:
            views = blurred(views, torch.cat([self._resolutions(g) for g in self._generators]))
        if s.noise > 0:
            views = views + s.noise * torch.cat([self._noise(g, images) for g in self._generators])
        of_each = views.view(len(images), s.count, *images.shape[1:])
        return torch.cat([images[:, None], of_each], dim=1).flatten(0, 1)

    def _similarities(self, generator: torch.Generator, images: Tensor) -> Tensor:
        """`(count, 2, 3)`: from a view's coordinates to the image's, both from −1 to 1."""
        s = self.settings
        height, width = images.shape[-2:]
        drawn = torch.rand(s.count, 4, generator=generator, device=generator.device).to(images)
        part = s.smallest_crop + (1 - s.smallest_crop) * drawn[:, 0]
        angle = math.radians(s.rotation) * (2 * drawn[:, 1] - 1)
        right, down = (1 - part) * (2 * drawn[:, 2] - 1), (1 - part) * (2 * drawn[:, 3] - 1)
        cos, sin = part * angle.cos(), part * angle.sin()
        across = torch.stack([cos, -sin * (height / width), right], dim=1)
        along = torch.stack([sin * (width / height), cos, down], dim=1)
        return torch.stack([across, along], dim=1)

    def _resolutions(self, generator: torch.Generator) -> Tensor:
        """A share of the resolution for each view of a problem: `(count,)`."""
        s = self.settings
        drawn = torch.rand(s.count, generator=generator, device=generator.device)
        return s.lowest_resolution + (1 - s.lowest_resolution) * drawn

    def _noise(self, generator: torch.Generator, images: Tensor) -> Tensor:
        shape = (self.settings.count, *images.shape[1:])
        return torch.randn(shape, generator=generator, device=generator.device).to(images)


def blurred(views: Tensor, resolutions: Tensor) -> Tensor:
    """Views `(N, C, H, W)` as they look with shares `(N,)` of their pixels a side.

    A Gaussian as wide as two passes of bilinear interpolation, down and up again: of variance
    (1 / share² − 1) / 3 square pixels. As matrix products it needs no size known beforehand.
    """
    variance = ((1 / resolutions**2 - 1) / 3).clamp(min=1e-3)[:, None, None]
    down, across = (_gaussian(size, variance)[:, None] for size in views.shape[-2:])
    return down @ views @ across.mT


def _gaussian(size: int, variance: Tensor) -> Tensor:
    """`(N, size, size)`: the rows of a blur along one side, each of sum 1."""
    places = torch.arange(size, device=variance.device, dtype=variance.dtype)
    return (-(places[:, None] - places).square() / (2 * variance)).softmax(dim=-1)


IN_PLACE = RandomViews(smallest_crop=0.95, rotation=2.0, lowest_resolution=0.7)
"""For an objective about one place of the picture, which must stay under the eye of its unit."""


def views_for(usual: RandomViews | None, asked: int | RandomViews | None) -> RandomViews | None:
    """The views a run gets: those asked for (a number of its `usual` ones; 0 for none), else those."""
    if asked is None or isinstance(asked, RandomViews):
        return asked or usual
    if asked < 0:
        raise RequestError(f"views is {asked}: it must be 0 (none) or more")
    return replace(usual or RandomViews(), count=asked) if asked else None
