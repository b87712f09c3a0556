"""A picture of fewer pixels."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from invert.objectives import Observation
from invert.protocols import Operator
from invert.scans import Scan
from invert.tasks.task import Task, Wanted

FACTOR = 4


class Upscale(Task):
    """Of a truth whose sides are no multiple of the factor, what is too much is cut off on all sides."""

    name = "upscale"
    takes = ("factor",)
    floors = ("bicubic", "lanczos")
    headline = "psnr_y"

    def title(self, wanted: Wanted) -> str:
        return f"upscale × {wanted.factor or FACTOR}"

    def operator(self, file: str, scan: Scan, wanted: Wanted) -> Operator:
        return self.make("downsample", wanted, factor=wanted.factor or FACTOR)

    def clean(self, scan: Scan, wanted: Wanted) -> Tensor:
        factor = wanted.factor or FACTOR
        height, width = (max(side - side % factor, factor) for side in scan.pixels.shape[-2:])
        return _middle(scan.pixels, height, width)

    def alpha(self, scan: Scan, bound: Observation) -> Tensor | None:
        assert bound.shape is not None
        if scan.alpha is None or scan.alpha.shape[-2:] == bound.shape[1:]:
            return scan.alpha
        if bound.observed is None:  # cut, as the truth
            return _middle(scan.alpha, *bound.shape[1:])
        return F.interpolate(scan.alpha, bound.shape[1:], mode="bicubic").clamp(0, 1)


def _middle(image: Tensor, height: int, width: int) -> Tensor:
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]
