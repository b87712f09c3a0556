"""`report.json`, kept up to date as records come in."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from invert.errors import one_line
from invert.files import digest
from invert.measures import RowEvidence, describe, measure_row
from invert.measures.decomposition import kept_map
from invert.measures.matched import still_falling, unreadable
from invert.measures.reading import reading
from invert.protocols import MOST_STEPS
from invert.subjects import Subject
from invert.sweeps.cells import RANDOM_WEIGHTS, Cell, Photo
from invert.sweeps.describe import describe_subject, tool, top5
from invert.sweeps.folder import SCHEMA, Folder
from invert.sweeps.nulls import Nulls
from invert.sweeps.request import Request
from invert.sweeps.worker import Record

MORE = 4
"""How many times as many steps the command asks for that goes on with a row."""


class Summary:
    """What `report.json` holds, and the files it names; written anew with every record.

    It begins with the records that are in the folder, so that a run which is resumed shows all it has.
    """

    def __init__(
        self,
        request: Request,
        subject: Subject,
        judge: Subject | None,
        pictures: list[Photo],
        cells: list[Cell],
        folder: Folder,
        nulls: Nulls,
    ) -> None:
        self.request, self.subject, self.judge = request, subject, judge
        self.pictures, self.cells, self.folder, self.nulls = pictures, cells, folder, nulls
        self.records = {
            cell.id: self.matched(cell, record)
            for cell in cells
            if (record := folder.record(cell.id)) is not None
        }
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}
        for photo in pictures:
            folder.write_image(f"images/{photo.id}.png", photo.pixels)
        self.content: dict[str, Any] = {
            "schema": SCHEMA,
            "tool": tool(),
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "status": "running",
            "command": request.command(),
            "request": request.as_json(),
            "subject": describe_subject(subject, request.model),
            "judge": None if judge is None else describe_subject(judge, request.judge or ""),
            "images": [
                {
                    "id": photo.id,
                    "name": photo.name,
                    "sha256": digest(photo.pixels),
                    "file": f"images/{photo.id}.png",
                    "top5": top5(subject, photo.pixels),
                }
                for photo in pictures
            ],
            "measures": describe(),
            "nulls": {},
            "runs": [],
            "controls": [],
            "layers": [],
        }
        for layer, prior in dict.fromkeys((c.layer, c.prior) for c in cells if c.photo):
            assert layer is not None
            self._complete(layer, prior, None)
        self._write()

    def add(self, cell: Cell, record: Record) -> None:
        """Take a record in, and the row that it completes."""
        self.records[cell.id] = record
        if cell.layer is not None and cell.photo:
            self._complete(cell.layer, cell.prior, cell.control)
        self._write()

    def matched(self, cell: Cell, record: Record) -> Record:
        """A record with how small its feature error is for its layer."""
        error = record["feature_error"]
        if cell.photo is None or cell.layer is None or error is None:
            return record | {"match": None}
        null = self.nulls.of(cell.layer, cell.control)
        falling = record["stopped"] != "plateau" and still_falling(self.folder.losses(cell.id))
        return record | {"match": None if null is None else null.match(error, falling)}

    def finish(self) -> None:
        """Say how it ended, as far as it came."""
        reached = [self.records.get(cell.id, {}).get("stopped", "interrupted") for cell in self.cells]
        unfinished = "interrupted" in reached
        self.content["status"] = "interrupted" if unfinished else "failed" if self.failures() else "done"
        self._write()

    def failures(self) -> dict[str, str]:
        """What failed, and why: runs by their id, and rows that could not be measured."""
        rows = {f"{row['layer']} {row['prior']}": row["error"] for row in self._rows.values()}
        failed = {i: record["error"] for i, record in self.records.items()} | rows
        return {name: error for name, error in failed.items() if error is not None}

    def _write(self) -> None:
        for part, control in (("runs", None), ("controls", RANDOM_WEIGHTS)):
            cells = [cell for cell in self.cells if cell.control == control]
            self.content[part] = [self.records[cell.id] for cell in cells if cell.id in self.records]
        begun = (cell.layer for cell in self.cells if cell.photo and cell.id in self.records)
        self.content["nulls"] = self.nulls.as_json(dict.fromkeys(layer for layer in begun if layer))
        keys = dict.fromkeys((cell.layer, cell.prior) for cell in self.cells)
        self.content["layers"] = [self._rows[key] for key in keys if key in self._rows]
        self.folder.write_report(self.content)

    def _complete(self, layer: str, prior: str, control: str | None) -> None:
        """Measure a row once all its runs are there, or the controls of a row that is measured."""
        wanted = (layer, prior, control)
        ids = [c.id for c in self.cells if c.photo and (c.layer, c.prior, c.control) == wanted]
        if not ids or not all(i in self.records for i in ids):
            return
        if control is None:
            self._rows[layer, prior] = self._row(layer, prior, ids)
        row = self._rows.get((layer, prior))
        if row is None:
            return
        try:
            self._measure(row, [self.records[i] for i in ids], control)
        except Exception as error:  # the measures may be a plug-in's, and memory may be short
            row["error"] = one_line(error)
        if control is None:
            self._complete(layer, prior, RANDOM_WEIGHTS)

    def _row(self, layer: str, prior: str, ids: list[str]) -> dict[str, Any]:
        info = self.subject.layer(layer)
        return {
            "layer": layer,
            "prior": prior,
            "depth": self.subject.layers.index(info),
            "aliases": list(info.aliases),
            "type": info.kind,
            "shape": list(info.shape),
            "share": info.share,
            "runs": ids,
            "photos": 0,
            "seeds": len(self.request.seeds),
            "tiles": None,
            "controls": {},
            "measures": {},
            "spread": {},
            "match": None,
            "reading": None,
            "error": None,
        }

    def _row_match(self, layer: str, prior: str, records: list[Record]) -> dict[str, Any] | None:
        """A row's match is that of the error which nine in ten of its runs are not above.

        Its loss was falling where that of most of the runs was which are not matched (of all, where all are).
        """
        null = self.nulls.of(layer)
        runs = [record for record in records if record["match"]]
        if null is None or not runs:
            return None
        errors = sorted(run["feature_error"] for run in runs)
        error = errors[math.ceil(0.9 * len(errors)) - 1]
        unmatched = [run["match"] for run in runs if not run["match"]["enough"]]
        ends = [match["falling"] for match in unmatched or [run["match"] for run in runs]]
        known = [falling for falling in ends if falling is not None]
        match = null.match(error, 2 * sum(known) >= len(known) if known else None)
        match |= {"error": error, "runs": len(runs), "matched": len(runs) - len(unmatched)}
        return match | {"command": None if match["enough"] else self._going_on(layer, prior, runs)}

    def _going_on(self, layer: str, prior: str, runs: list[Record]) -> str:
        """The command that asks for a row again and goes on where it ended too soon."""
        steps: int = runs[0]["settings"]["steps"] if self.request.steps is None else self.request.steps
        if any(run["stopped"] != "until" for run in runs):
            steps = min(MORE * steps, MOST_STEPS)
        settings = {name: value for name, value in self.request.settings.items() if name == prior}
        row: dict[str, Any] = {
            "layer": (layer,),
            "prior": (prior,),
            "settings": settings,
            "classes": (),
            "unit": (),
        }
        again = replace(self.request, **row, controls=False, steps=steps, until=None, patience=None)
        return again.command()

    def _measure(self, row: dict[str, Any], records: list[Record], control: str | None) -> None:
        """Fill in what is measured over the records of a row, or over its controls."""
        evidence = self._evidence(row["layer"], records)
        if control is not None:
            if evidence is not None:
                row["controls"][control] = measure_row(evidence)[0]
            return
        row["match"] = self._row_match(row["layer"], row["prior"], records)
        row["measures"], row["spread"] = _mean_over_runs([r for r in records if r["error"] is None])
        if evidence is not None:
            measures, spread = measure_row(evidence)
            row["measures"] |= measures
            row["spread"] |= spread
            row["photos"] = len(evidence.originals)
            row["tiles"] = kept_map(evidence) if len(self.request.seeds) > 1 else None
            if len(evidence.originals) > 1:
                row["controls"]["another photo"] = measure_row(evidence.of_another_photo())[0]
        row["reading"] = reading(row["measures"])
        if row["match"] is not None and not row["match"]["enough"]:
            row["reading"] = unreadable(row["match"])

    def _evidence(self, layer: str, records: list[Record]) -> RowEvidence | None:
        """All inversions of a row, read back from their files so that a resumed run sees the same."""
        runs = {
            photo.id: [r for r in records if r["image"] == photo.id and r["error"] is None]
            for photo in self.pictures
        }
        complete = [photo for photo in self.pictures if len(runs[photo.id]) == len(self.request.seeds)]
        if not complete:
            return None
        inversions = [
            torch.stack([self._read(run["files"]["image"]) for run in runs[photo.id]]) for photo in complete
        ]
        return RowEvidence(
            subject=self.subject,
            layer=layer,
            originals=torch.cat([photo.pixels.cpu() for photo in complete]),
            images=torch.stack(inversions),
            layer_share=self.subject.layer(layer).share,
            judge=self.judge,
        )

    def _read(self, file: str) -> Tensor:
        with Image.open(self.folder.out / file) as picture:
            pixels: Tensor = to_tensor(picture)
        return pixels


def _mean_over_runs(records: list[Record]) -> tuple[dict[str, float | None], dict[str, float | None]]:
    means: dict[str, float | None] = {}
    spreads: dict[str, float | None] = {}
    for name in {name: None for record in records for name in record["measures"]}:
        values = [v for record in records if (v := record["measures"].get(name)) is not None]
        means[name] = sum(values) / len(values) if values else None
        spreads[name] = float(torch.tensor(values).std()) if len(values) > 1 else None
    return means, spreads
