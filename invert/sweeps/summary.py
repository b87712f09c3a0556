"""`report.json`, kept up to date as records come in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone

import torch
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from invert import pictures, registry
from invert.errors import one_line
from invert.files import digest
from invert.measures import RowEvidence, describe, measure_row
from invert.measures.decomposition import kept_map
from invert.measures.matched import still_falling, unreadable
from invert.measures.reading import reading
from invert.photos import Skipped
from invert.report import (
    CommonError,
    LayerRow,
    Numbers,
    PhotoRow,
    Ranking,
    Record,
    Report,
    ReportedMeasure,
    ReportedPhoto,
    RowMatch,
)
from invert.settings import MOST_STEPS
from invert.subjects import Subject
from invert.sweeps.cells import NOTHING, RANDOM_WEIGHTS, Cell, Photo
from invert.sweeps.codes import sketches
from invert.sweeps.describe import describe_subject, tool, top5
from invert.sweeps.folder import Folder, row_key
from invert.sweeps.nulls import Nulls
from invert.sweeps.options import AUTO
from invert.sweeps.request import Request
from invert.sweeps.worker import posed_of

MORE = 4
"""How many times as many steps the command asks for that goes on with a row."""
POOLED = 48
"""Photos at most that a row's own numbers are pooled over; each photo has its own beside them."""
FEW = 16
"""Photos up to which a row is measured once, when it is whole; with more as their number doubles."""
NAMED = 3
"""Photos that are named as the best and the worst of a row, at most."""

Key = tuple[str, str, str | None]
"""A row or its controls: layer, prior, control."""


class AnySummary(ABC):
    """What `report.json` holds, and the files it names; written anew when it is asked to.

    What a record costs does not depend on how many there are: the text of what was written before is kept.
    It begins with the records that are in the folder, so that a run which is resumed shows all it has.
    """

    content: Report

    def __init__(self, cells: list[Cell], folder: Folder) -> None:
        self.cells, self.folder = cells, folder
        self.records = {
            cell.id: self.matched(cell, record)
            for cell in cells
            if (record := folder.record(cell)) is not None
        }
        self._rows: dict[tuple[str, str], LayerRow] = {}
        self._texts: dict[str, bytes] = {}

    @abstractmethod
    def add(self, cell: Cell, record: Record) -> None:
        """Take a record in, and the row that it completes."""

    def matched(self, cell: Cell, record: Record) -> Record:
        """A record with what the rest of the study says of it."""
        return record

    def finish(self) -> None:
        """Say how it ended, as far as it came."""
        records = [self.records.get(cell.id) for cell in self.cells]
        unfinished = any(record is None or record.stopped == "interrupted" for record in records)
        self.content.status = "interrupted" if unfinished else "failed" if self.failures() else "done"
        self.write()

    def failures(self) -> dict[str, str]:
        """What failed, and why: runs by their id, and rows that could not be measured."""
        rows = {f"{row.layer} {row.prior}": row.error for row in self._rows.values()}
        failed = {i: record.error for i, record in self.records.items()} | rows
        return {name: error for name, error in failed.items() if error is not None}

    def write(self) -> None:
        """Write `report.json` as things stand."""
        keys = dict.fromkeys((cell.layer, cell.prior) for cell in self.cells)
        self.content.layers = [self._rows[key] for key in keys if key in self._rows]
        self.content.runs = self._records_of(None)
        self.folder.write_report(self.content, self._texts)

    def _records_of(self, control: str | None) -> list[Record]:
        cells = [cell for cell in self.cells if cell.control == control]
        return [self.records[cell.id] for cell in cells if cell.id in self.records]


class Summary(AnySummary):
    """Of a study of a network."""

    def __init__(
        self,
        request: Request,
        subject: Subject,
        judge: Subject | None,
        pictures: list[Photo],
        skipped: list[Skipped],
        cells: list[Cell],
        folder: Folder,
        nulls: Nulls,
        common: Mapping[str, CommonError],
    ) -> None:
        self.request, self.subject, self.judge = request, subject, judge
        self.pictures, self.nulls = pictures, nulls
        super().__init__(cells, folder)
        self._of_photo: dict[tuple[str, str, str], tuple[list[str | None], PhotoRow]] = {}
        self._cells: dict[Key, dict[str, list[Cell]]] = {}
        """Of each row, or its controls, the cells of each photo."""
        for cell in cells:
            if cell.photo and cell.layer is not None:
                row = self._cells.setdefault((cell.layer, cell.prior, cell.control), {})
                row.setdefault(cell.photo, []).append(cell)
        self._there = {
            key: sum(self._has(of) for of in photos.values()) for key, photos in self._cells.items()
        }
        for photo in pictures:
            folder.write_image(f"images/{photo.id}.png", photo.pixels)
        self.content = Report(
            tool=tool(),
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            status="running",
            command=request.command(),
            request=request.as_json(),
            subject=describe_subject(subject, request.model),
            judge=None if judge is None else describe_subject(judge, request.judge or ""),
            images=[
                ReportedPhoto(
                    id=photo.id,
                    name=photo.name,
                    sha256=digest(photo.pixels),
                    file=f"images/{photo.id}.png",
                    top5=top5(subject, photo.pixels),
                )
                for photo in pictures
            ],
            skipped=[each.reported() for each in skipped],
            common=dict(common),
            measures={name: ReportedMeasure(**known) for name, known in describe().items()},
        )
        for layer, prior, control in self._cells:
            if control is None:
                self._complete(layer, prior, None)
        self.write()

    def add(self, cell: Cell, record: Record) -> None:
        key = (cell.layer or "", cell.prior, cell.control)
        of_photo = self._cells.get(key, {}).get(cell.photo or "", [])
        before = self._has(of_photo)
        self.records[cell.id] = record
        self._texts.pop(cell.id, None)
        if of_photo and self._has(of_photo):
            self._there[key] += not before
            self._complete(*key)

    def _has(self, cells: list[Cell]) -> bool:
        """Whether all these cells have a record."""
        return bool(cells) and all(cell.id in self.records for cell in cells)

    def matched(self, cell: Cell, record: Record) -> Record:
        """A record with how small its feature error is for its layer."""
        error = record.feature_error
        if cell.photo is None or cell.layer is None or cell.posed is not None or error is None:
            return replace(record, match=None)
        null = self.nulls.of(cell.layer, cell.control)
        falling = record.stopped != "plateau" and still_falling(self.folder.losses(cell.id))
        return replace(record, match=None if null is None else null.match(error, falling))

    def write(self) -> None:
        self.content.controls = self._records_of(RANDOM_WEIGHTS)
        for layer, common in self.content.common.items():
            errors = [r.feature_error for r in self.records.values() if r.layer == layer]
            common.largest = max((error for error in errors if error is not None), default=None)
        begun = (c.layer for c in self.cells if c.photo and not c.posed and c.id in self.records)
        self.content.nulls = self.nulls.described(dict.fromkeys(layer for layer in begun if layer))
        super().write()

    def _complete(self, layer: str, prior: str, control: str | None) -> None:
        """Measure a row whose runs are there, or the controls of a row that is measured.

        A row of many photos is also measured before, over those whose runs are there.
        """
        photos = self._cells.get((layer, prior, control), {})
        there = self._there.get((layer, prior, control), 0)
        doubled = there > FEW and there & (there - 1) == 0
        if not photos or (there < len(photos) and not doubled):
            return
        ids = [cell.id for of in photos.values() if self._has(of) for cell in of]
        self._texts.pop(row_key(layer, prior), None)
        if control is None:
            self._rows[layer, prior] = self._row(layer, prior, ids)
        row = self._rows.get((layer, prior))
        if row is None:
            return
        try:
            self._measure(row, [self.records[i] for i in ids], control)
        except (Exception, SystemExit) as error:  # the measures may be a plug-in's, and memory may be short
            row.error = one_line(error)
        if control is None:
            self._complete(layer, prior, RANDOM_WEIGHTS)

    def _row(self, layer: str, prior: str, ids: list[str]) -> LayerRow:
        row = LayerRow(
            layer=layer,
            prior=prior,
            runs=ids,
            seeds=len(self.request.seeds),
            neutral=registry.get("invert.priors", prior).neutral,
        )
        posed = posed_of(next(cell for cell in self.cells if cell.id == ids[0]))
        if posed is not None:  # below the layers
            after = len(self.subject.layers) + self.request.objective.index(posed.name)
            return replace(row, depth=after, type="objective", posed=posed)
        info = self.subject.layer(layer)
        return replace(
            row,
            depth=self.subject.layers.index(info),
            aliases=list(info.aliases),
            type=info.kind,
            shape=list(info.shape),
            share=info.share,
        )

    def _codes(self, layer: str) -> dict[str, list[float]]:
        """The layer's codes of the photos, sketched: the same under every prior."""
        rows = (row for row in self._rows.values() if row.layer == layer and row.codes)
        known = next(rows, None)
        photos = ((photo.id, photo.pixels) for photo in self.pictures)
        return known.codes if known is not None else sketches(self.subject, layer, photos)

    def _row_match(self, row: LayerRow, records: list[Record]) -> RowMatch | None:
        null = None if row.posed is not None else self.nulls.of(row.layer)
        told = [(r.feature_error, r.match) for r in records if r.match and r.feature_error is not None]
        if null is None or not told:
            return None
        return null.row_match([error for error, _ in told], [match for _, match in told])

    def _going_on(self, row: LayerRow, runs: list[Record]) -> str:
        """The command that asks for a row again and goes on where it ended too soon.

        For an error that all runs of the layer are to reach, it asks for all of them.
        """
        if self.request.until == AUTO:
            every = [r.settings["steps"] for r in self.records.values() if r.image and r.layer == row.layer]
            steps = min(MORE * (self.request.steps or max(every)), MOST_STEPS)
            settings = {n: s for n, s in self.request.settings.items() if n not in self.request.objective}
            asked = NOTHING | {"layer": (row.layer,), "settings": settings}
            return replace(self.request, **asked, steps=steps, patience=None).command()
        steps = self.request.steps or runs[0].settings["steps"]
        if any(run.stopped != "until" or 2 * run.steps > steps for run in runs):
            steps = min(MORE * steps, MOST_STEPS)
        needed = (row.prior, *self.request.stop)
        settings = {name: value for name, value in self.request.settings.items() if name in needed}
        asked = NOTHING | {"layer": (row.layer,), "prior": (row.prior,), "settings": settings}
        asked["controls"] = False
        return replace(self.request, **asked, steps=steps, until=None, patience=None).command()

    def _measure(self, row: LayerRow, records: list[Record], control: str | None) -> None:
        """Fill in what is measured over the records of a row, or over its controls."""
        done = [record for record in records if record.error is None]
        of = _by_photo(done)
        photos = [p for p in self.pictures if len(of.get(p.id, ())) == len(self.request.seeds)]
        count = min(len(photos), POOLED)
        pooled = [photos[n * len(photos) // count] for n in range(count)]
        evidence = self._evidence(row, pooled, of) if pooled else None
        if control is not None:
            if evidence is not None:
                row.controls[control] = measure_row(evidence)[0]
            return
        if row.posed is None:
            row.codes = self._codes(row.layer)
        row.match = self._row_match(row, done)
        if row.match is not None and not row.match.enough:
            row.match.command = self._going_on(row, done)
        row.measures, row.spread = mean_over_runs(done)
        if evidence is None:
            return
        measures, spread = measure_row(evidence)
        row.measures |= measures
        row.spread |= spread
        row.photos = len(pooled)
        row.photos_there = len(photos) if len(photos) > len(pooled) else None
        row.tiles = kept_map(evidence) if row.seeds > 1 else None
        if row.photos > 1:
            row.controls["another photo"] = measure_row(evidence.of_another_photo())[0]
        for photo in photos:
            row.by_photo[photo.id] = self._photo_row(row, photo, of)
        row.ranking = _ranking(row)
        row.reading = self._reading(row, row.measures, row.photos, row.match)

    def _photo_row(self, row: LayerRow, photo: Photo, of: Mapping[str, list[Record]]) -> PhotoRow:
        """One photo's part of a row that is measured; measured once for the same pictures."""
        records, key = of[photo.id], (row.layer, row.prior, photo.id)
        pictures = [record.sha256 for record in records]
        known = self._of_photo.get(key)
        if known is None or known[0] != pictures:
            evidence = self._evidence(row, [photo], of)
            measures = mean_over_runs(records)[0] | measure_row(evidence)[0]
            tiles = kept_map(evidence) if row.seeds > 1 else None
            match = self._row_match(row, records)
            known = pictures, PhotoRow(measures=measures, match=match, tiles=tiles)
            self._of_photo[key] = known
        part = known[1]
        return replace(part, reading=self._reading(row, part.measures, 1, part.match))

    def _reading(self, row: LayerRow, measures: Numbers, photos: int, match: RowMatch | None) -> str | None:
        """The sentence of a row, or of one photo in it: no verdict where it is not matched well enough."""
        if match is not None and not match.enough:
            return unreadable(match)
        floor = row.controls.get("another photo", {})
        spread = row.spread if photos > 1 else {}
        told = reading(
            measures, photos=photos, seeds=row.seeds, floor=floor, spread=spread, neutral=row.neutral
        )
        unjudged = row.posed is not None and told is not None
        return f"{told}; whether the objective was met is not judged" if unjudged else told

    def _evidence(self, row: LayerRow, photos: list[Photo], of: Mapping[str, list[Record]]) -> RowEvidence:
        """All inversions of photos, read back from their files so that a resumed run sees the same."""
        inversions = [torch.stack([self._read(record) for record in of[photo.id]]) for photo in photos]
        return RowEvidence(
            subject=self.subject,
            layer=row.layer,
            originals=torch.cat([photo.pixels.cpu() for photo in photos]),
            images=torch.stack(inversions),
            layer_share=0.0 if row.share is None else row.share,
            judge=self.judge,
        )

    def _read(self, record: Record) -> Tensor:
        assert record.files.image is not None
        pixels: Tensor = to_tensor(pictures.read_own(self.folder.out / record.files.image))
        return pixels


def _by_photo(records: list[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.image or "", []).append(record)
    return found


def _ranking(row: LayerRow) -> Ranking | None:
    """The photos of which a row keeps most and least; None where there are too few to name some."""
    by = "kept.luminance" if row.seeds > 1 else "ssim"
    shares = {photo: part.measures.get(by) for photo, part in row.by_photo.items()}
    known = {photo: share for photo, share in shares.items() if share is not None}
    count = min(NAMED, len(known) // 2)
    order = sorted(known, key=lambda photo: -known[photo])
    return Ranking(by=by, best=order[:count], worst=order[: -count - 1 : -1]) if count else None


def mean_over_runs(records: list[Record]) -> tuple[Numbers, Numbers]:
    means: Numbers = {}
    spreads: Numbers = {}
    for name in {name: None for record in records for name in record.measures}:
        values = [v for record in records if (v := record.measures.get(name)) is not None]
        means[name] = sum(values) / len(values) if values else None
        spreads[name] = float(torch.tensor(values).std()) if len(values) > 1 else None
    return means, spreads
