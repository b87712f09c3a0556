"""A dark picture by the light that was there, and one of the same by flash light."""

from __future__ import annotations

from dataclasses import replace

from invert import scans
from invert.errors import RequestError
from invert.protocols import Operator, Prior
from invert.scans import Scan
from invert.tasks.task import Task, Wanted


class Flash(Task):
    """The generator draws the picture from the flash picture in place of noise."""

    name = "flash"
    takes = ("flash",)
    floors = ("unchanged",)

    def operator(self, file: str, scan: Scan, wanted: Wanted) -> Operator:
        if wanted.flash is None:
            raise RequestError(f"{file}: name the picture of the same by flash light: --flash FILE")
        size = scans.read(wanted.flash).pixels.shape[-2:]
        if size != scan.pixels.shape[-2:]:
            raise RequestError(
                f"{wanted.flash} is {size[1]} × {size[0]}, {file} {scan.pixels.shape[-1]} × "
                f"{scan.pixels.shape[-2]}: a flash picture is as large as the other"
            )
        return self.make("identity", wanted)

    def prior(self, name: str, wanted: Wanted) -> Prior:
        """For a generator, drawn from the flash picture."""
        if name != "dip":
            return super().prior(name, wanted)
        settings = {"input_file": wanted.flash, **wanted.settings.get(name, {})}
        return super().prior(name, replace(wanted, settings={**wanted.settings, name: settings}))
