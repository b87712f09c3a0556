from __future__ import annotations

from torch import Tensor

from invert.objectives import Observation


def unchanged(bound: Observation) -> Tensor:
    """What was observed, as it is."""
    return bound.seen
