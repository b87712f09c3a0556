"""A picture that was stored as a JPEG of low quality."""

from __future__ import annotations

from invert.protocols import Operator
from invert.scans import Scan
from invert.tasks.task import Task, Wanted

QUALITY = 10


class Jpeg(Task):
    name = "jpeg"
    takes = ("quality",)
    floors = ("unchanged", "cosines")

    def title(self, wanted: Wanted) -> str:
        return f"jpeg, quality {wanted.quality or QUALITY}" if wanted.simulate else "jpeg"

    def operator(self, file: str, scan: Scan, wanted: Wanted) -> Operator:
        if wanted.simulate:
            return self.make("jpeg", wanted, quality=wanted.quality or QUALITY)
        return self.make("jpeg", wanted, file=file)
