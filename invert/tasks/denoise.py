"""A picture under noise."""

from __future__ import annotations

from invert.objectives import Observation
from invert.operators.estimated_noise import before_clipping, estimate
from invert.protocols import Operator
from invert.scans import Scan
from invert.tasks.task import Task, Wanted

AUTO = "auto"
SIMULATED = 25.0
"""The noise that is added where nobody says how much, in levels of 255: that of the published tables."""


class Denoise(Task):
    name = "denoise"
    takes = ("sigma",)
    floors = ("unchanged", "nlm", "cosines")

    def title(self, wanted: Wanted) -> str:
        sigma = wanted.sigma
        if sigma is None:
            sigma = SIMULATED if wanted.simulate else AUTO
        return f"denoise, σ {sigma:g}" if isinstance(sigma, float) else f"denoise, σ {sigma}"

    def about(self, bound: Observation, wanted: Wanted) -> str:
        sigma = 255 * float(getattr(bound.operator, "sigma", 0.0))
        estimated = not wanted.simulate and wanted.sigma in (None, AUTO)
        return f"noise of σ {sigma:.1f} of 255{', estimated from the picture' if estimated else ''}"

    def operator(self, file: str, scan: Scan, wanted: Wanted) -> Operator:
        sigma = wanted.sigma
        if sigma is None or sigma == AUTO:
            sigma = SIMULATED if wanted.simulate else 255 * estimated(scan)
        assert not isinstance(sigma, str)
        return self.make("identity", wanted, sigma=sigma / 255)

    def stops(self, bound: Observation) -> tuple[str, ...]:
        return ("discrepancy",) if bound.noise else ("emv",)


def estimated(scan: Scan) -> float:
    """σ of the noise in a picture, in image units, as it was before clipping."""
    return before_clipping(scan.pixels, estimate(scan.pixels))
