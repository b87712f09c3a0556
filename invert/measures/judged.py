"""What an independent network sees in the picture (`--judge MODEL`)."""

from __future__ import annotations

import math
from typing import ClassVar

from invert.measures.evidence import Evidence
from invert.measures.measure import Measure
from invert.measures.target import rank
from invert.protocols import Description
from invert.subjects.matching import match

JUDGE = "output of the network named by --judge (`judge` in report.json), on the whole picture resized"
AGREEMENT = 5
"""The judge's class for a photo counts where it is among so many of the network's own likeliest."""


class JudgeRank(Measure):
    """The rank an independent network gives the class: 0 is its top one, of as many classes as it has.

    The class is the one that was driven up, matched by name; for an inverted photo it is the
    judge's own for that photo, if the network under study has it among its five likeliest (or
    names no classes): where the two networks see different things, a rank says nothing. Null
    then, and for a class that the judge does not have. A picture that its own network is sure of
    and the judge is not is an adversarial pattern.
    """

    name: ClassVar[str] = "judge_rank"
    description: ClassVar[Description] = Description(
        title="rank of the class for the judge (0: top)",
        unit="classes",
        range=(0, math.inf),
        better="lower",
        source=JUDGE,
        short="judge’s rank",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        index = judged_class(evidence)
        if index is None or evidence.judge_logits is None:
            return None
        return float(rank(evidence.judge_logits, index))


class JudgeProbability(Measure):
    """The probability an independent network gives the class; which class, `judge_rank` says."""

    name: ClassVar[str] = "judge_probability"
    description: ClassVar[Description] = Description(
        title="probability of the class for the judge",
        unit="probability",
        range=(0, 1),
        better="higher",
        source=JUDGE,
        short="judge’s probability",
    )

    def __call__(self, evidence: Evidence) -> float | None:
        index = judged_class(evidence)
        if index is None or evidence.judge_logits is None:
            return None
        return float(evidence.judge_logits.softmax(0)[index])


def judged_class(evidence: Evidence) -> int | None:
    """The judge's index of the class that the picture should show; None where there is none to ask for."""
    subject, judge = evidence.subject, evidence.judge
    if judge is None or judge.classes is None:
        return None
    known = None if subject is None else subject.classes
    if evidence.target_index is not None:
        if known is None:
            return None
        name = known[evidence.target_index]
        return match(name, evidence.target_index, known, judge.classes)
    if evidence.judge_original_logits is None:
        return None
    seen = int(evidence.judge_original_logits.argmax())
    if known is None or evidence.original_logits is None:
        return seen
    likeliest = evidence.original_logits.topk(min(AGREEMENT, len(evidence.original_logits))).indices.tolist()
    matched = (match(known[i], i, known, judge.classes) for i in likeliest)
    return seen if seen in matched else None
