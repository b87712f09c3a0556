from __future__ import annotations

from torch import Tensor

from invert.objectives import Observation


def cosines(bound: Observation) -> Tensor:
    """Thresholds on the cosines of every block of 8 × 8 (Yu and Sapiro, IPOL 2011), twice."""
    assert bound.observer is not None and bound.target is not None
    made = bound.observer.another(bound.target)
    return bound.seen if made is None else bound.consistent(made)
