"""A picture with parts missing."""

from __future__ import annotations

from torch import Tensor

from invert.errors import RequestError
from invert.objectives import Observation
from invert.protocols import Operator
from invert.scans import Scan
from invert.tasks.task import Task, Wanted


class Inpaint(Task):
    """White in `--mask` is missing; a picture with transparency is its own mask."""

    name = "inpaint"
    takes = ("mask", "share")
    floors = ("biharmonic",)
    headline = "psnr_missing"

    def title(self, wanted: Wanted) -> str:
        at_random = wanted.simulate and wanted.mask is None
        return f"inpaint, {100 * (wanted.share or 0.5):g} % missing" if at_random else "inpaint"

    def operator(self, file: str, scan: Scan, wanted: Wanted) -> Operator:
        if wanted.mask is not None:
            if wanted.share is not None:
                raise RequestError("--mask names what is missing, --share how much: one of them is enough")
            return self.make("mask", wanted, file=wanted.mask)
        if wanted.simulate:
            return self.make("mask", wanted, share=wanted.share or 0.5)
        if scan.alpha is None:
            raise RequestError(
                f"{file}: what is missing? Name a picture that is white there (--mask FILE), or make those "
                "parts of the picture transparent"
            )
        return self.make("mask", wanted, file=file, transparent=True)

    def stops(self, bound: Observation) -> tuple[str, ...]:
        return ("heldout",)

    def about(self, bound: Observation, wanted: Wanted) -> str:
        """How much is missing: of a mask the wrong way round, nearly all."""
        assert bound.observer is not None
        missing = 1 - float(bound.observer.get_buffer("known").float().mean())
        return f"{100 * missing:.1f} % of the pixels are missing"

    def alpha(self, scan: Scan, bound: Observation) -> Tensor | None:
        """Nothing is missing any more, where transparency said what was."""
        transparent = getattr(bound.operator, "transparent", False)
        return scan.alpha.new_ones(scan.alpha.shape) if transparent and scan.alpha is not None else scan.alpha
