"""Whether an inversion is still nearer to its own photo than to the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from invert.measures.evidence import RowEvidence
from invert.measures.facets import pictured_whole
from invert.measures.measure import Numbers, RowMeasure
from invert.protocols import Description
from invert.subjects import Subject

SOURCE = "invert: nearest photo by cosine (docs/measures.md)"


class IdentityKept(RowMeasure):
    """The share of inversions whose nearest among the run's N photos is their own.

    In pixels, nearest is by the cosine of what the pictures show (`pictured_whole`), which contrast
    does not change; for the judge, by the cosine of its output, centred over the photos. Chance
    is 1/N. Null for one photo; the judge's is null without a `--judge`.
    """

    descriptions: ClassVar[Mapping[str, Description]] = {
        "identity_kept": Description(
            "identity kept, in pixels (chance 1/N photos)",
            "share",
            (0, 1),
            "higher",
            "invert: docs/measures.md",
        ),
        "identity_judged": Description(
            "identity kept, for the judge (chance 1/N photos)",
            "share",
            (0, 1),
            "higher",
            "invert: docs/measures.md",
        ),
    }

    def __call__(self, row: RowEvidence) -> tuple[Numbers, Numbers]:
        if len(row.originals) < 2:
            return dict.fromkeys(self.descriptions), {}
        photos, inversions = pictured_whole(row.originals), pictured_whole(row.images)
        numbers: Numbers = {
            "identity_kept": nearest_share(photos.flatten(1), inversions.flatten(2)),
            "identity_judged": None,
        }
        if row.judge is not None:
            photos = _outputs(row.judge, row.originals)
            inversions = _outputs(row.judge, row.images.flatten(0, 1))
            centre = photos.mean(0)
            numbers["identity_judged"] = nearest_share(
                photos - centre, (inversions - centre).reshape(*row.images.shape[:2], -1)
            )
        return numbers, {}


def nearest_share(photos: Tensor, inversions: Tensor) -> float:
    """Of inversions `(P, K, N)`, the share whose largest cosine among photos `(P, N)` is with their own."""
    photos = torch.nn.functional.normalize(photos, dim=-1)
    nearest = (inversions @ photos.T).argmax(-1)
    own = torch.arange(len(photos), device=photos.device)[:, None]
    return float((nearest == own).double().mean())


def _outputs(judge: Subject, images: Tensor) -> Tensor:
    size = judge.input_shape[1:]
    with torch.no_grad():
        resized = torch.nn.functional.interpolate(images, size, mode="bilinear", antialias=True).clamp(0, 1)
        return judge.logits(resized.to(judge.device)).float().flatten(1)
