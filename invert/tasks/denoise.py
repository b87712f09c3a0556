"""A picture under noise."""

from __future__ import annotations

from invert.objectives import Observation
from invert.protocols import Operator
from invert.scans import Scan
from invert.tasks.task import Task, Wanted

AUTO = "auto"
SIMULATED = 25.0
"""The noise that is added where nobody says how much, in levels of 255: that of the published tables."""


class Denoise(Task):
    name = "denoise"
    takes = ("sigma",)
    floors = ("unchanged", "nlm")

    def title(self, wanted: Wanted) -> str:
        sigma = wanted.sigma or (SIMULATED if wanted.simulate else AUTO)
        return f"denoise, σ {sigma:g}" if isinstance(sigma, float) else f"denoise, σ {sigma}"

    def operator(self, file: str, scan: Scan, wanted: Wanted) -> Operator:
        sigma = wanted.sigma
        if sigma is None or sigma == AUTO:
            sigma = SIMULATED if wanted.simulate else 255 * estimate(scan)
        assert not isinstance(sigma, str)
        return self.make("identity", wanted, sigma=sigma / 255)

    def stops(self, bound: Observation) -> tuple[str, ...]:
        return ("discrepancy",) if bound.noise else ("emv",)


def estimate(scan: Scan) -> float:
    """The standard deviation of the noise in a picture, in image units, by the median of its finest Haar
    wavelets (Donoho and Johnstone, Biometrika 1994)."""
    pixels = scan.pixels[0]
    height, width = (side - side % 2 for side in pixels.shape[-2:])
    if not height or not width:
        return 0.0
    blocks = pixels[:, :height, :width].unfold(1, 2, 2).unfold(2, 2, 2)
    diagonal = (blocks[..., 0, 0] - blocks[..., 0, 1] - blocks[..., 1, 0] + blocks[..., 1, 1]) / 2
    return float((diagonal.flatten(1).abs().median(1).values / 0.6745).mean())
