"""A request carried out, cell by cell, into a folder.

It prints nothing: it yields what happened, and the command line shows it and draws the page.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from invert.cells import Cell, choose_photos, groups, plan
from invert.devices import choose_device, choose_precision
from invert.errors import InvertError, RequestError
from invert.objectives import ClassScore
from invert.optimise import Optimisation, Step, Stopped
from invert.photo_scores import PhotoScores
from invert.records import Folder, WriteError
from invert.request import Request
from invert.run import Problem, Result
from invert.settings import as_json
from invert.subjects import Subject, load
from invert.summary import Record, Summary, top5

CHECKPOINT_SECONDS = 30.0
SNAPSHOTS = 8
TOGETHER = {"cuda": 8}
"""How many seeds are solved together; on a CPU one at a time is as fast, and shows more sooner."""


@dataclass(frozen=True)
class PhotosScored:
    """So many photos of --photos went through the network."""

    done: int
    total: int


@dataclass(frozen=True)
class GroupStarted:
    """Cells that differ in their seed alone begin; `index` cells were done before."""

    cells: list[Cell]
    index: int


@dataclass(frozen=True)
class GroupStep:
    cells: list[Cell]
    step: int
    loss: float


@dataclass(frozen=True)
class CellFinished:
    """A cell has a record, and `report.json` holds it."""

    cell: Cell
    record: Record


SweepEvent = PhotosScored | GroupStarted | GroupStep | CellFinished
Recording = Generator[SweepEvent, None, list[Record]]
"""Events, and in the end the records of a group."""


class Sweep:
    """The cells of a request, run into a folder.

    Making it loads the network and the photos and checks every name, so that a request that
    cannot be met raises `RequestError` before anything is written.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        device = choose_device(request.device)
        choose_precision(request.precision, device)
        self.subject = _subject(request, request.weights, device)
        self.judge = _judge(request, device)
        self.untrained = _subject(request, "random", device) if request.controls else None
        self.photos = choose_photos(request, self.subject)
        self.cells = list(plan(request, self.subject, self.photos))
        self.scores = _photo_scores(request, self.subject, self.cells)
        self.together = TOGETHER.get(device.type, 1)
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
            self.summary = Summary(self.request, self.subject, self.judge, self.photos, self.cells, folder)
            finished = {cell.id: folder.record(cell.id) for cell in self.cells}
            if self.scores and not all(map(_is_finished, finished.values())):
                for done in self.scores.read():
                    yield PhotosScored(done, len(self.scores.paths))
            index = 0
            for group in groups(self.cells, self.together):
                if self.interrupted:
                    break
                missing = [cell for cell in group if not _is_finished(finished[cell.id])]
                if missing:
                    yield GroupStarted(missing, index)
                    records = yield from self._run_group(folder, missing)
                    finished |= {record["id"]: record for record in records}
                for cell in group:
                    record = finished[cell.id]
                    assert record is not None
                    self.summary.add(cell, record)
                    yield CellFinished(cell, record)
                index += len(group)
            self.summary.finish(self.interrupted)
        finally:
            folder.close()

    def _check_made_by_this(self, folder: Folder, resume: bool) -> None:
        made_by = folder.request()
        if made_by is not None and not resume:
            raise RequestError(f"{folder.out} holds a run already: add --resume, or choose another --out")
        if made_by is not None and (differences := self.request.differences(made_by)):
            raise RequestError(f"{folder.out} was made by another request: {'; '.join(differences)}")
        folder.write_request(self.request.as_json())

    def _run_group(self, folder: Folder, cells: list[Cell]) -> Recording:
        """Solve the cells and record them; what goes wrong with them is recorded, and ends nothing else."""
        try:
            records = yield from self._solve(folder, cells)
        except WriteError:
            raise
        except torch.OutOfMemoryError as error:
            if len(cells) > 1:
                half = len(cells) // 2
                first = yield from self._run_group(folder, cells[:half])
                second = yield from self._run_group(folder, cells[half:])
                return first + second
            records = [self._record(cells[0], None, error=_one_line(error))]
        except (InvertError, RuntimeError, MemoryError, ValueError) as error:
            records = [self._record(cell, None, error=_one_line(error)) for cell in cells]
        for record in records:
            folder.write_record(record)
        if not self.interrupted:
            folder.drop_checkpoint(cells[0].id)
        return records

    def _solve(self, folder: Folder, cells: list[Cell]) -> Recording:
        request, cell, seeds = self.request, cells[0], [cell.seed for cell in cells]
        subject = self.untrained if cell.control and self.untrained is not None else self.subject
        problem = Problem.pose(
            subject, cell.objective, cell.prior, judge=self.judge, views=request.views
        )
        self._optimisation = optimisation = problem.optimisation(
            seeds, cell.steps, until=request.until, patience=request.patience, precision=request.precision
        )
        if self.interrupted:
            optimisation.interrupt()
        if (state := folder.checkpoint(cell.id, seeds)) is not None:
            optimisation.restore(state)
        wanted = _snapshot_steps(optimisation.steps)
        taken = [step for step in wanted if step <= optimisation.step]
        checkpointed = time.monotonic()
        results: list[Result] = []
        for event in optimisation:
            if isinstance(event, Step):
                if event.step in wanted:
                    for each, image in zip(cells, torch.split(event.image, 1), strict=True):
                        folder.write_image(_snapshot(each, event.step), image)
                    taken.append(event.step)
                if time.monotonic() - checkpointed > CHECKPOINT_SECONDS:
                    folder.write_checkpoint(cell.id, optimisation.state(), seeds)
                    checkpointed = time.monotonic()
                yield GroupStep(cells, event.step, float(event.loss[0]))
            elif isinstance(event, Stopped):
                if "interrupted" in event.reasons:
                    folder.write_checkpoint(cell.id, optimisation.state(), seeds)
                results = problem.results(event, optimisation, seeds)
        self._optimisation = None
        for each, result in zip(cells, results, strict=True):
            folder.write_image(f"runs/{each.id}/image.png", result.image)
            folder.write_trace(each.id, result.loss, result.penalty)
        return [
            self._record(each, result, subject, [step for step in taken if step <= result.steps])
            | {"photos": self.scores.of(each.objective, folder) if self.scores else None}
            for each, result in zip(cells, results, strict=True)
        ]

    def _record(
        self,
        cell: Cell,
        result: Result | None,
        subject: Subject | None = None,
        snapshots: list[int] | None = None,
        error: str | None = None,
    ) -> Record:
        here = f"runs/{cell.id}"
        record: dict[str, Any] = {
            "id": cell.id,
            "objective": cell.objective.kind,
            "layer": cell.layer,
            "target": cell.target,
            "target_index": cell.objective.target if isinstance(cell.objective, ClassScore) else None,
            "prior": cell.prior.name,
            "settings": as_json(cell.prior),
            "views": None,
            "image": cell.photo.id if cell.photo else None,
            "control": cell.control,
            "seed": cell.seed,
            "steps": 0,
            "seconds": 0.0,
            "stopped": None,
            "reached": None,
            "error": error,
            "device": str(self.subject.device),
            "precision": self.request.precision,
            "parameters": None,
            "feature_error": None,
            "measures": {},
            "top5": None,
            "photos": None,
            "command": cell.request.command(),
            "files": {"image": None, "trace": None, "record": f"{here}/record.json", "snapshots": []},
        }
        if result is not None:
            record |= {
                "steps": result.steps,
                "seconds": round(result.seconds, 3),
                "stopped": result.stopped,
                "reached": None if self.request.until is None else result.stopped == "until",
                "precision": result.precision,
                "parameters": result.parameters,
                "views": result.views.as_json() if result.views else None,
                "feature_error": result.feature_error,
                "measures": result.measures,
                "top5": top5(subject or self.subject, result.image),
            }
            record["files"] |= {
                "image": f"{here}/image.png",
                "trace": f"{here}/trace.json",
                "snapshots": [{"step": step, "file": _snapshot(cell, step)} for step in snapshots or ()],
            }
        return record


def _is_finished(record: Record | None) -> bool:
    """A cell that failed or was interrupted is tried again by `--resume`."""
    return record is not None and record["error"] is None and record["stopped"] != "interrupted"


def _subject(request: Request, weights: str | None, device: torch.device) -> Subject:
    return load(
        request.model,
        weights,
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


def _photo_scores(request: Request, subject: Subject, cells: list[Cell]) -> PhotoScores | None:
    if request.photos is None:
        return None
    targets = [cell.objective for cell in cells if cell.target is not None]
    if not targets:
        raise RequestError("--photos needs --class or --unit: it shows what photos drive them")
    return PhotoScores(subject, request.photos, targets)


def _snapshot_steps(steps: int) -> list[int]:
    """Steps to keep a picture of: doubling, so that the early, fast changes are seen."""
    return sorted({max(1, round(steps / 2**k)) for k in range(SNAPSHOTS)})


def _snapshot(cell: Cell, step: int) -> str:
    return f"runs/{cell.id}/snapshots/{step:05d}.png"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, InvertError) else f"{type(error).__name__}: {text}"
