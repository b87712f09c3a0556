"""Whether the inversion is still of the class of the photo, for the network that was inverted."""

from __future__ import annotations

import math
from typing import ClassVar

from invert.measures.evidence import Evidence
from invert.measures.measure import Measure
from invert.protocols import Description


class SameTop1(Measure):
    """1 where the network's most probable class for the inversion is the one for the photo, else 0.

    The network judges its own inversion: matching a late layer all but implies a 1, and an
    adversarial pattern gets one too. An independent judge (`--judge`) does not have this flaw.
    """

    name: ClassVar[str] = "same_top1"
    description: ClassVar[Description] = Description(
        title="same top-1 class, for the network inverted",
        unit="0 or 1",
        range=(0, 1),
        better="higher",
        source="argmax of the network's own output for the photo and for the inversion",
        short="same top 1",
        place="chart",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        if evidence.logits is None or evidence.original_logits is None:
            return None
        return float(evidence.logits.argmax() == evidence.original_logits.argmax())


class ClassDivergence(Measure):
    """KL(photo ‖ inversion), in nats, between the network's class distributions; 0 where they agree.

    Like `same_top1` it is the verdict of the network that was inverted.
    """

    name: ClassVar[str] = "class_divergence"
    description: ClassVar[Description] = Description(
        title="KL divergence of the class distribution from the photo's, for the network inverted",
        unit="nats",
        range=(0, math.inf),
        better="lower",
        source="Kullback and Leibler 1951, on the network's own softmax",
        short="KL divergence",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        if evidence.logits is None or evidence.original_logits is None:
            return None
        photo, inversion = evidence.original_logits.log_softmax(0), evidence.logits.log_softmax(0)
        return float((photo.exp() * (photo - inversion)).sum())
