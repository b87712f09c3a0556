"""The two runs of a comparison: their photos, paired by what they show, and the noise in their pictures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from invert import pictures
from invert.errors import RequestError
from invert.files import lies_in, read_json
from invert.measures import RowEvidence
from invert.measures.noise import Parts, parts_of_mean, parts_of_row
from invert.report import LayerRow, Record, Report, ReportedPhoto
from invert.sweeps.growth import PHOTOS
from invert.sweeps.intervals import LARGEST

PhotoPair = tuple[ReportedPhoto, ReportedPhoto]


@dataclass(frozen=True)
class Side:
    """One of the two runs: the folder that it wrote, and its report."""

    folder: Path
    report: Report

    @cached_property
    def runs(self) -> dict[str, Record]:
        return {run.id: run for run in self.report.runs}

    @cached_property
    def file_digests(self) -> dict[str, str]:
        """The SHA-256 of each photo's file by the photo's id, as far as request.json tells."""
        request = read_json(self.folder / "request.json") or {}
        digests = request.get(PHOTOS)
        if not isinstance(digests, dict) or len(digests) != len(self.report.images):
            return {}
        return {photo.id: str(d) for photo, d in zip(self.report.images, digests.values(), strict=True)}

    def good_runs(self, row: LayerRow) -> list[Record]:
        runs = [self.runs[i] for i in row.runs if i in self.runs]
        return [run for run in runs if run.error is None]

    def seeds(self, row: LayerRow) -> list[int]:
        return sorted({run.seed for run in self.good_runs(row)})

    def parts(self, row: LayerRow, photos: list[ReportedPhoto]) -> dict[str, Parts]:
        """What each inversion adds to the row's numbers: photos in this order, seeds ascending.

        Without the numbers whose noise cannot be told: all of them for one seed or where a run is missing.
        """
        runs = {(run.image, run.seed): run for run in self.good_runs(row)}
        seeds = self.seeds(row)
        wanted = [(photo.id, seed) for photo in photos for seed in seeds]
        if len(seeds) < 2 or any(key not in runs for key in wanted):
            return {}
        grid = [[runs[photo.id, seed] for seed in seeds] for photo in photos]
        return _parts_of_runs(grid) | self._parts_of_pictures(row, photos, grid)

    def _parts_of_pictures(
        self, row: LayerRow, photos: list[ReportedPhoto], grid: list[list[Record]]
    ) -> dict[str, Parts]:
        try:
            originals = torch.stack([self._picture(photo.file) for photo in photos])
            inversions = [torch.stack([self._picture(run.files.image) for run in line]) for line in grid]
            inverted = torch.stack(inversions)
        except RequestError:  # one is gone or damaged: the numbers stand, their noise is not known
            return {}
        return parts_of_row(RowEvidence(None, row.layer, originals, inverted, row.share or 0.0))

    def _picture(self, name: str | None) -> Tensor:
        """A picture `(C, H, W)` that the report names. Raises `RequestError`."""
        file = self.folder / (name or "")
        if not lies_in(self.folder, file):
            raise RequestError(f"{name} leads out of {self.folder}")
        shape = list(self.report.network.input.shape)
        pixels: Tensor = to_tensor(pictures.read_own(file))[: shape[0]]
        if list(pixels.shape) != shape:
            raise RequestError(f"{name} has not the size of the network's input")
        return pixels


def _parts_of_runs(grid: list[list[Record]]) -> dict[str, Parts]:
    """Of the numbers that runs have each by itself."""
    found = {}
    for name in grid[0][0].measures:
        values = [run.measures.get(name) for line in grid for run in line]
        known = [value for value in values if value is not None and abs(value) < LARGEST]
        if len(known) == len(values):
            found[name] = parts_of_mean(torch.tensor(known, dtype=torch.float64).reshape(len(grid), -1))
    return found


def paired_photos(a: Side, b: Side) -> list[PhotoPair]:
    """Each photo of A with the same one of B, told by the digest of its pixels as the network saw them.

    Networks that cut or size a photo differently see other pixels: then the digest of its file tells.
    Raises `RequestError` where one of the two runs has a photo that the other has not.
    """
    left = list(b.report.images)
    pairs: list[PhotoPair] = []
    alone: list[ReportedPhoto] = []
    for photo in a.report.images:
        twin = next((other for other in left if _same(a, photo, b, other)), None)
        if twin is None:
            alone.append(photo)
        else:
            left.remove(twin)
            pairs.append((photo, twin))
    if alone or left or not pairs:
        raise RequestError(
            f"the two runs are of different photos ({_names(alone, left)}): run both on the same"
        )
    return pairs


def _same(a: Side, photo: ReportedPhoto, b: Side, other: ReportedPhoto) -> bool:
    if photo.sha256 is not None and photo.sha256 == other.sha256:
        return True
    file = a.file_digests.get(photo.id)
    return file is not None and file == b.file_digests.get(other.id)


def _names(alone: list[ReportedPhoto], left: list[ReportedPhoto]) -> str:
    in_both = {photo.name for photo in alone} & {photo.name for photo in left}
    if in_both:
        return f"{min(in_both)} is another picture in B"
    told = [*_of(alone, "A"), *_of(left, "B")]
    return ", ".join(told[:4]) + (f" and {len(told) - 4} more" if len(told) > 4 else "")


def _of(photos: Iterable[ReportedPhoto], side: str) -> list[str]:
    return [f"{photo.name} in {side} alone" for photo in photos]
