"""A request carried out: every layer or target × prior × photo × seed, recorded as it goes.

It prints nothing: it yields what happened, and the command line shows it and draws the page.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_tensor

from invert import photos
from invert.devices import choose_device, choose_precision
from invert.errors import InvertError, RequestError, RunError
from invert.measures import RowEvidence, describe, measure_row
from invert.objectives import Channel, ClassScore, FeatureMatch, Neuron
from invert.optimise import Optimisation, Step, Stopped
from invert.protocols import Objective, Prior
from invert.records import SCHEMA, Folder, digest, slug
from invert.request import Request
from invert.run import Problem, Result, default_prior
from invert.settings import as_json
from invert.subjects import Subject, load

CHECKPOINT_SECONDS = 30.0
SNAPSHOTS = 8


@dataclass(frozen=True)
class Photo:
    """A photo as the network sees it: `pixels` `(1, C, H, W)` in [0, 1]."""

    id: str
    path: str
    pixels: Tensor = field(repr=False)


@dataclass(frozen=True)
class Cell:
    """One run: an objective under a prior from a seed."""

    id: str
    objective: Objective
    prior: Prior
    seed: int
    layer: str | None
    target: str | None
    photo: Photo | None
    request: Request


@dataclass(frozen=True)
class CellStarted:
    cell: Cell
    index: int
    steps: int


@dataclass(frozen=True)
class CellStep:
    cell: Cell
    step: int
    loss: float


@dataclass(frozen=True)
class CellFinished:
    """A cell has a record; `report` is what `report.json` now holds."""

    cell: Cell
    record: dict[str, Any]


SweepEvent = CellStarted | CellStep | CellFinished
Recording = Generator[SweepEvent, None, dict[str, Any]]
"""Events, and in the end the record."""


class Sweep:
    """The cells of a request, run one after the other into a folder.

    Making it loads the network and the photos and checks every name, so that a request that
    cannot be met raises `RequestError` before anything is written.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.subject = _subject(request, choose_device(request.device))
        choose_precision(request.precision, self.subject.device)
        self.judge = _judge(request, self.subject.device)
        self.photos = _photos(request, self.subject)
        self.cells = list(self._cells())
        self.interrupted = False
        self._optimisation: Optimisation | None = None

    def interrupt(self) -> None:
        """Stop after the step in work, keeping its best; the cells to come are left for `--resume`."""
        self.interrupted = True
        if self._optimisation is not None:
            self._optimisation.interrupt()

    def run(self, out: Path, resume: bool = False) -> Iterator[SweepEvent]:
        """Run what is missing in `out`, yielding what happens; `report.json` follows every cell."""
        folder = Folder(out)
        try:
            self._check_made_by_this(folder, resume)
            self.report = Report(self, folder)
            for index, cell in enumerate(self.cells):
                if self.interrupted:
                    break
                record = folder.record(cell.id)
                if record is None or record["error"] is not None or record["stopped"] == "interrupted":
                    yield CellStarted(cell, index, self._steps(cell))
                    record = yield from self._run_cell(folder, cell)
                self.report.add(record)
                yield CellFinished(cell, record)
            self.report.finish(self.interrupted)
        finally:
            folder.close()

    def _check_made_by_this(self, folder: Folder, resume: bool) -> None:
        made_by = folder.request()
        if made_by is not None and not resume:
            raise RequestError(f"{folder.out} holds a run already: add --resume, or choose another --out")
        if made_by is not None and (differences := self.request.differences(made_by)):
            raise RequestError(f"{folder.out} was made by another request: {'; '.join(differences)}")
        folder.write_request(self.request.as_json())

    def _run_cell(self, folder: Folder, cell: Cell) -> Recording:
        try:
            record = yield from self._solve(folder, cell)
        except (InvertError, RuntimeError, MemoryError, ValueError) as error:
            if isinstance(error, RunError) and str(error).startswith("cannot write"):
                raise
            record = self._record(cell, None, error=_one_line(error))
        folder.write_record(record)
        if record["stopped"] != "interrupted":
            folder.drop_checkpoint(cell.id)
        return record

    def _solve(self, folder: Folder, cell: Cell) -> Recording:
        problem = Problem.pose(self.subject, cell.objective, cell.prior, judge=self.judge)
        request = self.request
        self._optimisation = optimisation = problem.optimisation(
            [cell.seed],
            self._steps(cell),
            until=request.until,
            patience=request.patience,
            precision=request.precision,
        )
        if (state := folder.checkpoint(cell.id, [cell.seed])) is not None:
            optimisation.restore(state)
        snapshots = _snapshot_steps(optimisation.steps)
        saved = [s for s in snapshots if s <= optimisation.step]
        checkpointed = time.monotonic()
        for event in optimisation:
            if isinstance(event, Step):
                if event.step in snapshots:
                    folder.write_image(_snapshot(cell, event.step), event.image)
                    saved.append(event.step)
                if time.monotonic() - checkpointed > CHECKPOINT_SECONDS:
                    folder.write_checkpoint(cell.id, optimisation.state(), [cell.seed])
                    checkpointed = time.monotonic()
                yield CellStep(cell, event.step, float(event.loss[0]))
            elif isinstance(event, Stopped):
                if "interrupted" in event.reasons:
                    folder.write_checkpoint(cell.id, optimisation.state(), [cell.seed])
                result = problem.results(event, optimisation, [cell.seed])[0]
        self._optimisation = None
        folder.write_image(f"runs/{cell.id}/image.png", result.image)
        folder.write_trace(cell.id, result.loss, result.penalty)
        return self._record(cell, result, snapshots=saved)

    def _steps(self, cell: Cell) -> int:
        return cell.prior.steps if self.request.steps is None else self.request.steps

    def _record(
        self, cell: Cell, result: Result | None, error: str | None = None, snapshots: list[int] | None = None
    ) -> dict[str, Any]:
        target = cell.objective.bind(self.subject) if cell.objective.kind == "class" else None
        here = f"runs/{cell.id}"
        return {
            "id": cell.id,
            "objective": cell.objective.kind,
            "layer": cell.layer,
            "target": cell.target,
            "target_index": getattr(target, "target", None),
            "prior": cell.prior.name,
            "settings": as_json(cell.prior),
            "image": cell.photo.id if cell.photo else None,
            "seed": cell.seed,
            "steps": result.steps if result else 0,
            "seconds": round(result.seconds, 3) if result else 0.0,
            "stopped": result.stopped if result else None,
            "error": error,
            "device": str(self.subject.device),
            "precision": result.precision if result else self.request.precision,
            "parameters": result.parameters if result else None,
            "feature_error": result.feature_error if result else None,
            "measures": result.measures if result else {},
            "top5": top5(self.subject, result.image) if result else None,
            "command": cell.request.command(),
            "files": {
                "image": f"{here}/image.png" if result else None,
                "trace": f"{here}/trace.json" if result else None,
                "record": f"{here}/record.json",
                "snapshots": [{"step": s, "file": _snapshot(cell, s)} for s in snapshots or ()],
            },
        }

    def _cells(self) -> Iterator[Cell]:
        request = self.request
        for layer in _layers(request, self.subject):
            for name in request.prior:
                prior = default_prior(name, "feature", **request.settings.get(name, {}))
                for photo in self.photos:
                    for seed in request.seeds:
                        yield Cell(
                            id=slug(f"{layer}-{name}-{photo.id}-s{seed}"),
                            objective=FeatureMatch(layer, photo.pixels),
                            prior=prior,
                            seed=seed,
                            layer=layer,
                            target=None,
                            photo=photo,
                            request=request.only(
                                layer=(layer,), prior=(name,), seeds=(seed,),
                                image=(photo.path,) if request.image else (),
                                classes=(), unit=(),
                            ),
                        )  # fmt: skip
        for objective, of_layer, target, option in self._targets():
            for name in request.prior:
                prior = default_prior(name, objective.kind, **request.settings.get(name, {}))
                for seed in request.seeds:
                    yield Cell(
                        id=slug(f"{of_layer or 'class'}-{target}-{name}-s{seed}"),
                        objective=objective,
                        prior=prior,
                        seed=seed,
                        layer=of_layer,
                        target=target,
                        photo=None,
                        request=request.only(prior=(name,), seeds=(seed,), image=(), **option),
                    )

    def _targets(self) -> Iterator[tuple[Objective, str | None, str, dict[str, tuple[str, ...]]]]:
        subject = self.subject
        for index in _classes(self.request, subject):
            name = subject.classes[index] if subject.classes else str(index)
            text = str(index) if "," in name else name
            yield ClassScore(index), None, name, {"layer": (), "classes": (text,), "unit": ()}
        for text in self.request.unit:
            unit_objective = parse_unit(text).bind(subject)
            layer, _, unit = text.rpartition(":")
            yield unit_objective, layer, unit, {"layer": (), "classes": (), "unit": (text,)}


class Report:
    """`report.json`, kept up to date as records come in."""

    def __init__(self, sweep: Sweep, folder: Folder) -> None:
        self.sweep, self.folder = sweep, folder
        subject, request = sweep.subject, sweep.request
        for photo in sweep.photos:
            folder.write_image(f"images/{photo.id}.png", photo.pixels)
        self.content: dict[str, Any] = {
            "schema": SCHEMA,
            "tool": tool(),
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "status": "running",
            "command": request.command(),
            "request": request.as_json(),
            "subject": {
                "model": request.model,
                "weights": subject.weights,
                "sha256": subject.sha256,
                "input": {
                    "shape": list(subject.input_shape),
                    "mean": list(subject.mean),
                    "std": list(subject.std),
                },
                "classes": len(subject.classes) if subject.classes else None,
            },
            "images": [
                {
                    "id": photo.id,
                    "name": Path(photo.path).name,
                    "sha256": digest(photo.pixels),
                    "file": f"images/{photo.id}.png",
                    "top5": top5(subject, photo.pixels.to(subject.device)),
                }
                for photo in sweep.photos
            ],
            "measures": describe(),
            "runs": [],
            "layers": [],
        }

    def add(self, record: dict[str, Any]) -> None:
        self.content["runs"].append(record)
        self._complete_rows()
        self.folder.write_report(self.content)

    def finish(self, interrupted: bool) -> None:
        failed = any(run["error"] is not None for run in self.content["runs"])
        self.content["status"] = "interrupted" if interrupted else "failed" if failed else "done"
        self.folder.write_report(self.content)

    def _complete_rows(self) -> None:
        """Add the row of each layer and prior whose last cell has just been recorded."""
        recorded = {run["id"]: run for run in self.content["runs"]}
        known = {(row["layer"], row["prior"]) for row in self.content["layers"]}
        cells = [cell for cell in self.sweep.cells if cell.photo is not None]
        for layer, prior in dict.fromkeys((cell.layer, cell.prior.name) for cell in cells):
            ids = [cell.id for cell in cells if (cell.layer, cell.prior.name) == (layer, prior)]
            if layer is not None and (layer, prior) not in known and all(i in recorded for i in ids):
                done = [recorded[i] for i in ids if recorded[i]["error"] is None]
                self.content["layers"].append(self._row(layer, prior, ids, done))

    def _row(self, layer: str, prior: str, ids: list[str], done: list[dict[str, Any]]) -> dict[str, Any]:
        subject = self.sweep.subject
        info = subject.layer(layer)
        measures: dict[str, float | None] = {}
        spread: dict[str, float | None] = {}
        for name in {name: None for run in done for name in run["measures"]}:
            values = [run["measures"][name] for run in done if run["measures"][name] is not None]
            measures[name] = sum(values) / len(values) if values else None
            spread[name] = float(torch.tensor(values).std()) if len(values) > 1 else None
        evidence = self._row_evidence(layer, done)
        if evidence is not None:
            more, more_spread = measure_row(evidence)
            measures, spread = measures | more, spread | more_spread
        return {
            "layer": layer,
            "prior": prior,
            "depth": subject.layers.index(info),
            "aliases": list(info.aliases),
            "type": info.kind,
            "shape": list(info.shape),
            "share": info.share,
            "runs": ids,
            "measures": measures,
            "spread": spread,
            "reading": None,
            "tiles": None,
            "controls": {},
        }

    def _row_evidence(self, layer: str, done: list[dict[str, Any]]) -> RowEvidence | None:
        """All inversions of the row, read back from their files so that a resumed run sees the same."""
        seeds = self.sweep.request.seeds
        by_photo = {
            photo.id: [run for run in done if run["image"] == photo.id] for photo in self.sweep.photos
        }
        complete = [photo for photo in self.sweep.photos if len(by_photo[photo.id]) == len(seeds)]
        if not complete:
            return None
        inversions = [
            torch.stack([self._read(run["files"]["image"]) for run in by_photo[photo.id]])
            for photo in complete
        ]
        subject = self.sweep.subject
        return RowEvidence(
            subject=subject,
            layer=layer,
            originals=torch.cat([photo.pixels for photo in complete]),
            images=torch.stack(inversions),
            layer_share=subject.layer(layer).share,
            judge=self.sweep.judge,
        )

    def _read(self, file: str) -> Tensor:
        with Image.open(self.folder.out / file) as picture:
            pixels: Tensor = to_tensor(picture)
        return pixels


def parse_unit(text: str) -> Channel | Neuron:
    """`conv4:17` is a channel, `conv4:17@6,6` one neuron of it, `conv4:17@` the one in the centre."""
    layer, colon, unit = text.rpartition(":")
    channel, at, position = unit.partition("@")
    places = position.split(",") if position else []
    if not (layer and colon and channel.isdecimal() and all(p.strip().isdecimal() for p in places)):
        raise RequestError(f"cannot read --unit {text!r}: it has the form LAYER:CHANNEL or LAYER:CHANNEL@Y,X")
    if not at:
        return Channel(layer, int(channel))
    return Neuron(layer, int(channel), tuple(int(p) for p in places) or None)


def top5(subject: Subject, image: Tensor) -> list[dict[str, Any]] | None:
    """The five most probable classes for an image `(1, C, H, W)`; None where the network has none."""
    if subject.classes is None:
        return None
    return [{"index": i, "name": name, "probability": p} for i, name, p in subject.top(image, 5)[0]]


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


def _subject(request: Request, device: torch.device) -> Subject:
    return load(
        request.model,
        request.weights,
        size=request.size,
        mean=request.mean,
        std=request.std,
        labels=request.labels,
    ).to(device)


def _judge(request: Request, device: torch.device) -> Subject | None:
    if request.judge is None:
        if request.judge_weights is not None:
            raise RequestError("--judge-weights needs --judge MODEL")
        return None
    return load(request.judge, request.judge_weights).to(device)


def _photos(request: Request, subject: Subject) -> list[Photo]:
    if (request.classes or request.unit) and not request.layer:
        return []
    paths = photos.expand(request.image) if request.image else [photos.default_photo()]
    chosen: list[Photo] = []
    for path in paths:
        name = slug(path.stem)
        taken = {photo.id for photo in chosen}
        photo_id = name if name not in taken else f"{name}-{len(chosen)}"
        chosen.append(Photo(photo_id, str(path), subject.image(path)))
    return chosen


def _layers(request: Request, subject: Subject) -> list[str]:
    names: list[str] = []
    for name in request.layer:
        names += subject.main_layers if name == "all" else [name]
    for name in names:
        subject.layer(name)
    return list(dict.fromkeys(names))


def _classes(request: Request, subject: Subject) -> list[int]:
    if request.classes == ("all",):
        return list(range(len(subject.classes or ())))
    return list(dict.fromkeys(subject.class_index(name) for name in request.classes))


def _snapshot_steps(steps: int) -> list[int]:
    """Steps to keep a picture of: doubling, so that the early, fast changes are seen."""
    return sorted({max(1, round(steps / 2**k)) for k in range(SNAPSHOTS)})


def _snapshot(cell: Cell, step: int) -> str:
    return f"runs/{cell.id}/snapshots/{step:05d}.png"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, InvertError) else f"{type(error).__name__}: {text}"
