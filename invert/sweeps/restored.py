"""`report.json` of restorations, and the restored pictures themselves, kept up to date as records come in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path

import torch
from torch import Tensor

from invert import registry, scans
from invert.errors import one_line
from invert.files import digest, slug, unique
from invert.measures import Evidence, RowEvidence, describe, measure_row, measure_run
from invert.measures.decomposition import kept_map
from invert.report import (
    Floor,
    LayerRow,
    PhotoRow,
    Record,
    Report,
    ReportedMeasure,
    ReportedPhoto,
    Restored,
)
from invert.sweeps.cells import Cell
from invert.sweeps.describe import tool
from invert.sweeps.folder import Folder, row_key
from invert.sweeps.observing import task_of
from invert.sweeps.restoration import Restoration
from invert.sweeps.summary import AnySummary, mean_over_runs
from invert.tasks import Given

AS_GOOD = 0.3
"""Decibels: a floor that is at most so much worse is as good, to the eye."""

ENDS = {
    "steps": "after all its steps",
    "discrepancy": "where it was as near to what was observed as its noise",
    "wmv": "where the pictures of successive steps differed least",
    "emv": "where the pictures of successive steps differed least",
    "plateau": "with no more progress",
    "not finite": "when its loss was not finite",
    "interrupted": "when it was interrupted",
}


def against(value: float | None, floors: Sequence[Floor], headline: str) -> str:
    """A result's headline beside that of the best floor."""
    if value is None:
        return "no truth is known to measure by"
    told = f"{value:.2f} dB"
    best = max(
        (f for f in floors if f.measures.get(headline) is not None),
        key=lambda f: f.measures[headline] or 0.0,
        default=None,
    )
    if best is None:
        return told
    known = best.measures[headline] or 0.0
    more = value - known
    beside = f"{best.method}, {known:.2f} dB in {best.seconds:.2g} s"
    if more < 0:
        return f"{told}, {-more:.2f} dB WORSE than {beside}"
    return f"{told}, {'only ' if more < AS_GOOD else ''}{more:.2f} dB better than {beside}"


def ended(records: Sequence[Record]) -> str:
    """At which steps runs ended, and why."""
    steps = [record.kept_step or record.steps for record in records]
    at = f"step {steps[0]}" if len(set(steps)) == 1 else f"steps {min(steps)} to {max(steps)}"
    whole = max(int(record.settings.get("steps") or 0) for record in records)
    reasons = dict.fromkeys(record.stopped or "" for record in records)
    why = " and ".join(ENDS.get(reason, f"by {reason}") for reason in reasons)
    return f"{at} of {whole}, {why}"


class RestorationSummary(AnySummary):
    """What came of a request to restore pictures; `given` gives what is known of the one of a number."""

    def __init__(
        self,
        request: Restoration,
        names: Sequence[str],
        given: Callable[[int], Given],
        floors: Mapping[str, list[Floor]],
        cells: list[Cell],
        folder: Folder,
    ) -> None:
        self.request, self.names, self.given = request, list(names), given
        pairs = [(prior, name) for prior in request.prior for name in names]
        files = unique(
            name if prior == request.prior[0] else slug(f"{name}-{prior}") for prior, name in pairs
        )
        self.files = {pair: f"{file}.png" for pair, file in zip(pairs, files, strict=True)}
        super().__init__(cells, folder)
        self.content = Report(
            tool=tool(),
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            status="running",
            command=request.command(),
            request=request.as_json(),
            headline=task_of(request).headline,
            subject=None,
            images=[self._picture(number, floors.get(name, [])) for number, name in enumerate(self.names)],
            measures={name: ReportedMeasure(**known) for name, known in describe().items()},
        )
        for cell in {(cell.photo, cell.prior): cell for cell in cells}.values():
            self._complete(cell)
        self.write()

    def add(self, cell: Cell, record: Record) -> None:
        self.records[cell.id] = record
        self._texts.pop(cell.id, None)
        self._texts.pop(row_key(cell.layer or "", cell.prior), None)
        self._complete(cell)

    def _picture(self, number: int, floors: list[Floor]) -> ReportedPhoto:
        name, bound = self.names[number], self.given(number).observation
        truth = bound.photo
        return ReportedPhoto(
            id=name,
            name=Path(self.request.file[number]).name,
            sha256=digest(bound.seen if truth is None else truth),
            file=None if truth is None else self.folder.write_image(f"images/{name}.png", truth),
            observed=self.folder.write_image(f"images/observed/{name}.png", bound.seen),
            about=self.given(number).about,
            floors=floors,
        )

    def _complete(self, cell: Cell) -> None:
        """Take what is there of one picture under one prior into its row."""
        assert cell.layer is not None and cell.photo is not None
        row = self._rows.setdefault((cell.layer, cell.prior), self._row(cell))
        same = [c for c in self.cells if (c.layer, c.prior, c.photo) == (cell.layer, cell.prior, cell.photo)]
        done = [r for c in same if (r := self.records.get(c.id)) is not None and r.error is None]
        if done:
            try:
                row.by_photo[cell.photo] = self._photo_row(cell, done)
            except (Exception, SystemExit) as error:  # the measures may be a plug-in's
                row.error = one_line(error)
        every = [self.records[i] for i in row.runs if i in self.records and self.records[i].error is None]
        row.measures, row.spread = mean_over_runs(every)
        row.photos = len(row.by_photo)

    def _row(self, cell: Cell) -> LayerRow:
        assert cell.layer is not None
        return LayerRow(
            layer=cell.layer,
            prior=cell.prior,
            runs=[c.id for c in self.cells if (c.layer, c.prior) == (cell.layer, cell.prior)],
            seeds=len(self.request.seeds),
            neutral=registry.get("invert.priors", cell.prior).neutral,
        )

    def _photo_row(self, cell: Cell, records: list[Record]) -> PhotoRow:
        """What the runs of one picture show of it, and the picture they come to together."""
        assert cell.photo is not None
        known = self.given(self.names.index(cell.photo))
        images = torch.cat([self._read(record) for record in records])
        row = PhotoRow(measures=mean_over_runs(records)[0], restored=self._restored(cell, known, images))
        row.reading = self._reading(cell.photo, row.restored, records)
        truth = known.observation.photo
        if truth is not None and len(images) > 1:
            assert known.observation.target is not None and cell.layer is not None
            share = known.observation.target.numel() / truth.numel()
            evidence = RowEvidence(None, cell.layer, truth, images[None], share)
            row.measures |= measure_row(evidence)[0]
            row.tiles = kept_map(evidence)
        return row

    def _reading(self, photo: str, restored: Restored | None, records: list[Record]) -> str:
        """What came of it beside the best floor, and why it ended, in a sentence."""
        assert restored is not None
        (known,) = (picture for picture in self.content.images if picture.id == photo)
        name = self.content.headline or ""
        told = against(restored.measures.get(name), known.floors, name)
        return f"{told}; {ended(records)}"

    def _restored(self, cell: Cell, known: Given, images: Tensor) -> Restored:
        """The mean over seeds `(K, C, H, W)`, written to OUT itself, and where they differ."""
        assert cell.photo is not None
        bound = known.observation
        image = bound.consistent(images.mean(0, keepdim=True))
        restored = Restored(
            file=self.folder.write(self.files[cell.prior, cell.photo], known.to_png(image)),
            seeds=len(images),
            measures=measure_run(Evidence(None, bound, image, bound.photo)),
        )
        if len(images) > 1:
            spread = images.var(0, keepdim=True).mean(1, keepdim=True).sqrt()
            largest = float(spread.max())
            path = f"images/uncertainty/{slug(f'{cell.photo}-{cell.prior}')}.png"
            restored.uncertainty = self.folder.write_image(path, spread / max(largest, 1e-9))
            restored.spread = 255 * float(spread.square().mean().sqrt())
            restored.largest = 255 * largest
        return restored

    def _read(self, record: Record) -> Tensor:
        assert record.files.image is not None
        return scans.read(self.folder.out / record.files.image).pixels
