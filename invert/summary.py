"""`report.json`, kept up to date as records come in."""

from __future__ import annotations

import platform
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from invert.cells import RANDOM_WEIGHTS, Cell, Photo
from invert.measures import RowEvidence, describe, measure_row
from invert.measures.decomposition import kept_map
from invert.measures.reading import reading
from invert.records import SCHEMA, Folder, digest
from invert.request import Request
from invert.subjects import Subject

Record = dict[str, Any]


class Summary:
    """What `report.json` holds, and the files it names; written anew with every record."""

    def __init__(
        self,
        request: Request,
        subject: Subject,
        judge: Subject | None,
        pictures: list[Photo],
        cells: list[Cell],
        folder: Folder,
    ) -> None:
        self.request, self.subject, self.judge = request, subject, judge
        self.pictures, self.cells, self.folder = pictures, cells, folder
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
            "runs": [],
            "controls": [],
            "layers": [],
        }

    def add(self, cell: Cell, record: Record) -> None:
        """Take a record in, and the rows that it completes."""
        self.content["controls" if cell.control else "runs"].append(record)
        if cell.layer is not None and cell.photo is not None:
            self._complete(cell.layer, cell.prior.name, cell.control)
        self.folder.write_report(self.content)

    def finish(self, interrupted: bool) -> None:
        failed = any(run["error"] is not None for run in self.content["runs"])
        self.content["status"] = "interrupted" if interrupted else "failed" if failed else "done"
        self.folder.write_report(self.content)

    def _complete(self, layer: str, prior: str, control: str | None) -> None:
        ids = [
            c.id
            for c in self.cells
            if (c.layer, c.prior.name, c.control) == (layer, prior, control) and c.photo
        ]
        recorded = {run["id"]: run for run in self.content["controls" if control else "runs"]}
        if not all(i in recorded for i in ids):
            return
        records = [recorded[i] for i in ids]
        if control is None:
            self.content["layers"].append(self._row(layer, prior, records))
        else:
            rows = {(row["layer"], row["prior"]): row for row in self.content["layers"]}
            evidence = self._evidence(layer, records)
            if evidence is not None and (layer, prior) in rows:
                rows[layer, prior]["controls"][RANDOM_WEIGHTS] = measure_row(evidence)[0]

    def _row(self, layer: str, prior: str, records: list[Record]) -> dict[str, Any]:
        info = self.subject.layer(layer)
        done = [record for record in records if record["error"] is None]
        measures, spread = _mean_over_runs(done)
        evidence = self._evidence(layer, done)
        row: dict[str, Any] = {
            "layer": layer,
            "prior": prior,
            "depth": self.subject.layers.index(info),
            "aliases": list(info.aliases),
            "type": info.kind,
            "shape": list(info.shape),
            "share": info.share,
            "runs": [record["id"] for record in records],
            "photos": 0 if evidence is None else len(evidence.originals),
            "seeds": len(self.request.seeds),
            "tiles": None,
            "controls": {},
        }
        if evidence is not None:
            more, more_spread = measure_row(evidence)
            measures, spread = measures | more, spread | more_spread
            row["tiles"] = kept_map(evidence) if len(self.request.seeds) > 1 else None
            if len(evidence.originals) > 1:
                row["controls"]["another photo"] = measure_row(evidence.of_another_photo())[0]
        return {**row, "measures": measures, "spread": spread, "reading": reading(measures)}

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


def top5(subject: Subject, image: Tensor) -> list[dict[str, Any]] | None:
    """The five most probable classes for an image `(1, C, H, W)`; None where the network has none."""
    if subject.classes is None:
        return None
    return [{"index": i, "name": name, "probability": p} for i, name, p in subject.top(image, 5)[0]]


def describe_subject(subject: Subject, model: str) -> dict[str, Any]:
    """A network in `report.json`: its name, its weights and their digest, and the input it takes."""
    return {
        "model": model,
        "weights": subject.weights,
        "sha256": subject.sha256,
        "input": {"shape": list(subject.input_shape), "mean": list(subject.mean), "std": list(subject.std)},
        "classes": len(subject.classes) if subject.classes else None,
    }


def tool() -> dict[str, str]:
    """The versions that a result depends on."""
    packages = ("torch", "torchvision", "timm")
    return {
        "name": "invert",
        "version": version("invert"),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "platform": f"{sys.platform}-{platform.machine()}",
    }


def _mean_over_runs(records: list[Record]) -> tuple[dict[str, float | None], dict[str, float | None]]:
    means: dict[str, float | None] = {}
    spreads: dict[str, float | None] = {}
    for name in {name: None for record in records for name in record["measures"]}:
        values = [v for record in records if (v := record["measures"].get(name)) is not None]
        means[name] = sum(values) / len(values) if values else None
        spreads[name] = float(torch.tensor(values).std()) if len(values) > 1 else None
    return means, spreads
