"""`brightness`: is the inversion brighter than the photo?"""

from __future__ import annotations

from typing import ClassVar

from invert import Description, Measure
from invert.measures import Evidence


class Brightness(Measure):
    """How much brighter the inversion is than the photo."""

    name: ClassVar[str] = "brightness"
    description: ClassVar[Description] = Description(
        title="mean of the inversion minus mean of the photo",
        unit="of the range of a pixel",
        range=(-1, 1),
        better="neither",
        source="invert-cosine, the example of a plug-in",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        if evidence.original is None:
            return None
        return float(evidence.image.mean() - evidence.original.mean())
