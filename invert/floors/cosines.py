from __future__ import annotations

from torch import Tensor

from invert.objectives import Observation
from invert.operators.sliding_cosines import sliding_cosines


def cosines(bound: Observation) -> Tensor:
    """Thresholds on the cosines of every block of 8 × 8 (Yu and Sapiro, IPOL 2011), twice."""
    assert bound.observer is not None and bound.target is not None
    return sliding_cosines(bound.seen, bound.observer.noise_level(bound.target)).clamp(0, 1)
