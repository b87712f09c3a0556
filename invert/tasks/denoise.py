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
    """The standard deviation of the noise in a picture, in image units, by that of its finest wavelets
    (Donoho and Johnstone, Biometrika 1994)."""
    from skimage.restoration import estimate_sigma

    pixels = scan.pixels[0].movedim(0, -1).numpy()
    return float(
        estimate_sigma(  # type: ignore[no-untyped-call]
            pixels, average_sigmas=True, channel_axis=-1
        )
    )
