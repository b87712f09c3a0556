"""How far a class or a unit was driven up, for the network whose it is."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor

from invert.measures.evidence import Evidence
from invert.measures.measure import Measure
from invert.protocols import Description


class TargetScore(Measure):
    """The class's logit, or what the unit reached, in the picture itself (no views, no noise, fp32).

    Null where the objective drives several things up.
    """

    name: ClassVar[str] = "target_score"
    description: ClassVar[Description] = Description(
        title="score reached (a class's logit, a unit's activation)",
        unit="the network's own",
        range=(-math.inf, math.inf),
        better="higher",
        source="the network's own output or layer, before softmax",
        short="score",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        if evidence.target_index is not None and evidence.logits is not None:
            return float(evidence.logits[evidence.target_index])
        driven = [term for _, term in evidence.objective.terms if term.drives_up]
        return -evidence.value(driven[0]) if len(driven) == 1 else None


class TargetProbability(Measure):
    """The probability of the class that was driven up, for the network itself.

    A pattern that only this network believes gets 1 too; the judge's rank tells them apart.
    """

    name: ClassVar[str] = "target_probability"
    description: ClassVar[Description] = Description(
        title="probability of the target class, for the network itself",
        unit="probability",
        range=(0, 1),
        better="higher",
        source="softmax of the network's own output",
        short="probability",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        if evidence.target_index is None or evidence.logits is None:
            return None
        return float(evidence.logits.softmax(0)[evidence.target_index])


class TargetRank(Measure):
    """How many classes the network finds at least as likely as the one that was driven up."""

    name: ClassVar[str] = "target_rank"
    description: ClassVar[Description] = Description(
        title="rank of the target class, for the network itself (0: top)",
        unit="classes",
        range=(0, math.inf),
        better="lower",
        source="order of the network's own output; equals count as ahead",
        short="rank",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        if evidence.target_index is None or evidence.logits is None:
            return None
        return float(rank(evidence.logits, evidence.target_index))


def rank(scores: Tensor, index: int) -> int:
    """How many others of `scores` `(N,)` are at least as large as number `index`: 0 for the largest."""
    return int((scores >= scores[index]).sum()) - 1
