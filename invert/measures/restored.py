"""How near a restored picture is to the truth, and what is left between it and what was observed."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from invert.images import LUMINANCE
from invert.measures.evidence import Evidence
from invert.measures.likeness import psnr
from invert.measures.measure import Measure
from invert.objectives import Observation
from invert.operators.downsample import Smaller
from invert.operators.mask import Known
from invert.protocols import Description, Observer

MULTIPLE, FIRST, LAST = 32, 4, 5
"""The tables of super-resolution are over the middle whose sides are multiples of 32, less 4 pixels at the
top and left and 5 at the bottom and right."""
SMALLEST = 11
"""Of what is left of a side, the least that says something."""
STUDIO = 219 / 255
"""The range of luma in them, as a share of that of a file."""


class LumaPSNR(Measure):
    """PSNR of luma by the convention of the tables of super-resolution.

    Y of ITU-R BT.601 in studio range, which is 1.32 dB more than in full range, over the middle whose
    sides are multiples of 32, less 4 pixels at the top and left and 5 at the bottom and right. Only where
    a picture of fewer pixels was seen, and the truth is known.
    """

    name: ClassVar[str] = "psnr_y"
    description: ClassVar[Description] = Description(
        title="PSNR of luma, as in the tables of super-resolution",
        unit="dB",
        range=(0, 100),
        better="higher",
        source="Ulyanov, Vedaldi and Lempitsky, CVPR 2018, their evaluation script: Y in studio range, "
        "4 to 5 pixels of border left out",
        short="PSNR (Y, border off)",
        place="caption",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        if not isinstance(_seen(evidence)[0], Smaller) or evidence.original is None:
            return None
        luma = [_luma(_inner(picture)) for picture in (evidence.image, evidence.original)]
        return psnr(*luma) if min(luma[0].shape[-2:]) >= SMALLEST else None


class MissingPSNR(Measure):
    """PSNR over the pixels that were missing, all channels: those that are known are right anyway."""

    name: ClassVar[str] = "psnr_missing"
    description: ClassVar[Description] = Description(
        title="PSNR of the pixels that were missing",
        unit="dB",
        range=(0, 100),
        better="higher",
        source="10 log₁₀(1 / MSE) over what the mask hides, all channels",
        short="PSNR (missing pixels)",
        place="caption",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        observer, _ = _seen(evidence)
        if not isinstance(observer, Known) or evidence.original is None:
            return None
        missing = ~observer.known
        return psnr(evidence.image[..., missing], evidence.original[..., missing])


class Agreement(Measure):
    """PSNR(A(x), y): how nearly the picture, seen as it was seen, is what was observed."""

    name: ClassVar[str] = "agreement"
    description: ClassVar[Description] = Description(
        title="agreement PSNR(A(x), y) of the picture, seen as it was seen, with what was observed",
        unit="dB",
        range=(0, 100),
        better="neither",
        source="10 log₁₀(1 / MSE) over what was observed, where that is pixels",
        short="agreement",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        observer, observed = _seen(evidence)
        if observer is None or observed is None or observed.ndim < 3:
            return None
        with torch.no_grad():
            return psnr(observer(evidence.image), observed)


class ResidualLevel(Measure):
    """Root mean square of what was observed less the picture, where all of it is seen: of a good
    restoration, that of the noise."""

    name: ClassVar[str] = "residual_level"
    description: ClassVar[Description] = Description(
        title="residual: root mean square of what was observed less the picture",
        unit="of 255",
        range=(0, 255),
        better="neither",
        source="255 ‖y − x‖ / √n; Morozov's discrepancy is where it is that of the noise",
        short="residual",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        residual = _residual(evidence)
        return None if residual is None else 255 * float(residual.square().mean().sqrt())


class ResidualCorrelation(Measure):
    """Correlation of the residual at neighbouring pixels, the mean of both directions: 0 for white noise,
    above where parts of the picture are left in it."""

    name: ClassVar[str] = "residual_correlation"
    description: ClassVar[Description] = Description(
        title="residual: correlation of neighbours (white noise: 0)",
        unit="",
        range=(-1, 1),
        better="neither",
        source="lag-1 autocorrelation of y − x along rows and columns",
        short="residual’s correlation",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        residual = _residual(evidence)
        if residual is None or min(residual.shape[-2:]) < 2:
            return None
        centred = residual - residual.mean((-2, -1), keepdim=True)
        power = float(centred.square().mean())
        if power < 1e-12:
            return None
        across = float((centred[..., 1:] * centred[..., :-1]).mean())
        down = float((centred[..., 1:, :] * centred[..., :-1, :]).mean())
        return (across + down) / 2 / power


def _seen(evidence: Evidence) -> tuple[Observer | None, Tensor | None]:
    """What the picture was seen through, and what was observed; nothing where that is a layer."""
    for _, term in evidence.objective.terms:
        if isinstance(term, Observation):
            return term.observer, term.target
    return None, None


def _residual(evidence: Evidence) -> Tensor | None:
    _, observed = _seen(evidence)
    if observed is None or observed.shape != evidence.image.shape:
        return None
    return (observed - evidence.image).double()


def _inner(picture: Tensor) -> Tensor:
    for axis in (-2, -1):
        side = picture.shape[axis]
        kept = side - side % MULTIPLE
        picture = picture.narrow(axis, (side - kept) // 2, kept)
    return picture[..., FIRST:-LAST, FIRST:-LAST]


def _luma(picture: Tensor) -> Tensor:
    weights = picture.new_tensor(LUMINANCE if picture.shape[1] == 3 else (1.0,)).view(-1, 1, 1)
    return STUDIO * (picture * weights).sum(1)
