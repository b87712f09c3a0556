"""A request carried out, cell by cell, into a folder.

It prints nothing: it yields what happened, and the command line shows it and draws the page.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from invert.api import Problem, Result
from invert.engine.devices import choose_device, choose_precision
from invert.engine.optimise import Optimisation, Step, Stopped
from invert.errors import RequestError, one_line
from invert.files import WriteError, json_bytes, slug
from invert.measures.matched import still_falling
from invert.objectives import ClassLogOdds
from invert.settings import as_json
from invert.subjects import Subject, load
from invert.subjects.attribution import evidence_map, overlay
from invert.sweeps.cells import Cell, choose_photos, groups, plan
from invert.sweeps.folder import Folder
from invert.sweeps.nulls import Nulls
from invert.sweeps.photo_scores import PhotoScores
from invert.sweeps.request import Request, differences
from invert.sweeps.summary import Record, Summary, top5

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
Recording = Generator[SweepEvent, None, dict[str, Record]]
"""Events, and in the end the records of a group by their id."""


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
        self.cells = plan(request, self.subject, self.photos)
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
            folder.tidy()
            self.nulls = Nulls(self.subject, self.untrained, self.photos, self.request.photos, folder)
            self.summary = Summary(
                self.request, self.subject, self.judge, self.photos, self.cells, folder, self.nulls
            )
            try:
                yield from self._run_missing(folder)
            finally:
                self.summary.finish()
        finally:
            folder.close()

    def _run_missing(self, folder: Folder) -> Iterator[SweepEvent]:
        if self.scores and not all(map(self._is_finished, self.cells)):
            for done in self.scores.read():
                if self.interrupted:
                    return
                yield PhotosScored(done, len(self.scores.paths))
        for group in groups(self.cells, self.together):
            missing = [cell for cell in group if not self._is_finished(cell)]
            if not missing:
                folder.drop_checkpoint(group[0].id)
            elif self.interrupted:
                return
            else:
                yield GroupStarted(missing, sum(map(self._is_finished, self.cells)))
                yield from self._run_group(folder, group)

    def _is_finished(self, cell: Cell) -> bool:
        """A cell that failed or was interrupted is tried again by `--resume`."""
        record = self.summary.records.get(cell.id)
        return record is not None and record["stopped"] not in (None, "interrupted")

    def _check_made_by_this(self, folder: Folder, resume: bool) -> None:
        asked = json.loads(json_bytes(self.request.as_json() | self._digests()))  # as it will be read back
        made_by = folder.request()
        if made_by is not None and not resume:
            raise RequestError(f"{folder.out} holds a run already: add --resume, or choose another --out")
        if made_by is not None and (changes := differences(asked, made_by)):
            raise RequestError(f"{folder.out} was made by another request: {'; '.join(changes)}")
        folder.write_request(asked)

    def _digests(self) -> dict[str, Any]:
        """What the request's names stood for: files can change behind them."""
        return {
            "sha256 of the network": self.subject.sha256,
            "sha256 of the judge": self.judge and self.judge.sha256,
            "sha256 of the photos": [
                sha256(Path(photo.path).read_bytes()).hexdigest() for photo in self.photos
            ],
        }

    def _run_group(self, folder: Folder, group: list[Cell]) -> Iterator[SweepEvent]:
        """Solve the cells and record those that are missing; what goes wrong with them ends nothing else."""
        out_of_memory = False
        try:
            records = yield from self._solve(folder, group)
        except WriteError:
            raise
        except (Exception, SystemExit) as error:
            out_of_memory = isinstance(error, torch.OutOfMemoryError)
            records = {cell.id: self._record(cell, None, error=one_line(error)) for cell in group}
        self._optimisation = None
        if out_of_memory and len(group) > 1:
            # Only here, after the error is gone, does nothing hold the memory any more.
            torch.cuda.empty_cache()
            half = len(group) // 2
            yield from self._run_group(folder, group[:half])
            yield from self._run_group(folder, group[half:])
            return
        for cell in group:
            if not self._is_finished(cell):
                folder.write_record(records[cell.id])
                self.summary.add(cell, records[cell.id])
                yield CellFinished(cell, records[cell.id])
        if all(map(self._is_finished, group)):
            folder.drop_checkpoint(group[0].id)

    def _solve(self, folder: Folder, group: list[Cell]) -> Recording:
        """The cells solved together, and what is missing of them written, except for their records.

        All are solved even where some are finished: in another company the others would come to
        other bits.
        """
        request, first, seeds = self.request, group[0], [cell.seed for cell in group]
        subject = self.untrained if first.control and self.untrained is not None else self.subject
        problem = Problem.pose(subject, first.objective, first.prior, judge=self.judge, views=request.views)
        self._optimisation = optimisation = problem.optimisation(
            seeds, first.steps, until=request.until, patience=request.patience, precision=request.precision
        )
        if self.interrupted:
            optimisation.interrupt()
        if (state := folder.checkpoint(first.id, seeds)) is not None:
            optimisation.restore(state)
        wanted = _snapshot_steps(first.steps)
        checkpointed = time.monotonic()
        for event in optimisation:
            if isinstance(event, Step):
                if event.step in wanted:
                    for cell, image in zip(group, torch.split(event.image, 1), strict=True):
                        if not self._is_finished(cell):
                            folder.write_image(_snapshot(cell, event.step), image)
                if time.monotonic() - checkpointed > CHECKPOINT_SECONDS:
                    folder.write_checkpoint(first.id, optimisation.state(), seeds)
                    checkpointed = time.monotonic()
                yield GroupStep(group, event.step, float(event.loss[0]))
        assert isinstance(event, Stopped)
        if "interrupted" in event.reasons:
            folder.write_checkpoint(first.id, optimisation.state(), seeds)
        return {
            cell.id: self._conclude(
                folder, cell, subject, partial(problem.result, event, optimisation, b, cell.seed)
            )
            for b, cell in enumerate(group)
            if not self._is_finished(cell)
        }

    def _conclude(self, folder: Folder, cell: Cell, subject: Subject, result: Callable[[], Result]) -> Record:
        """The record of a cell that was solved, its image and trace written."""
        try:
            came_back = result()
            folder.write_image(f"runs/{cell.id}/image.png", came_back.image)
            folder.write_trace(cell.id, came_back.loss, came_back.penalty)
            self._write_evidence(folder, subject, cell, came_back.image)
            photos = self.scores.of(cell.objective, folder) if self.scores else None
            told = {"match": self._match(cell, came_back), "photos": photos}
            return self._record(cell, came_back, subject) | told
        except (WriteError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            return self._record(cell, None, error=one_line(error))

    def _match(self, cell: Cell, result: Result) -> dict[str, Any] | None:
        """How small the feature error is for its layer; None where no features were matched."""
        if cell.photo is None or cell.layer is None or result.feature_error is None:
            return None
        null = self.nulls.of(cell.layer, cell.control)
        falling = result.stopped != "plateau" and still_falling(result.loss.tolist())
        return None if null is None else null.match(result.feature_error, falling)

    def _write_evidence(self, folder: Folder, subject: Subject, cell: Cell, image: Tensor) -> None:
        """Where the layer's evidence for the photo's class lies, in the photo and in the inversion."""
        if cell.photo is None or cell.layer is None or subject.classes is None:
            return
        class_index = subject.top(cell.photo.pixels, 1)[0][0][0]
        for path, pixels in zip(_evidence(cell).values(), (cell.photo.pixels, image), strict=True):
            evidence = evidence_map(subject, cell.layer, pixels, class_index)
            if evidence is not None:
                folder.write_image(path, overlay(pixels, evidence))

    def _record(
        self,
        cell: Cell,
        result: Result | None,
        subject: Subject | None = None,
        error: str | None = None,
    ) -> Record:
        here = f"runs/{cell.id}"
        record: dict[str, Any] = {
            "id": cell.id,
            "objective": cell.objective.kind,
            "layer": cell.layer,
            "target": cell.target,
            "target_index": cell.objective.target if isinstance(cell.objective, ClassLogOdds) else None,
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
            "match": None,
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
                "snapshots": [
                    {"step": step, "file": _snapshot(cell, step)}
                    for step in _snapshot_steps(cell.steps)
                    if step <= result.steps
                ],
                "evidence": None if cell.photo is None else _evidence(cell),
            }
        return record


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
    scores = PhotoScores(subject, request.photos, targets)
    return scores if targets else None  # the photos then are what feature errors are small against


def _snapshot_steps(steps: int) -> list[int]:
    """Steps to keep a picture of: doubling, so that the early, fast changes are seen."""
    return sorted({max(1, round(steps / 2**k)) for k in range(SNAPSHOTS)})


def _evidence(cell: Cell) -> dict[str, str]:
    """The evidence maps of a cell; that of the photo is shared by all cells of its layer and network."""
    assert cell.photo is not None and cell.layer is not None
    shared = slug(f"{cell.photo.id}-{cell.layer}{'-random' if cell.control else ''}")
    return {"original": f"images/evidence/{shared}.png", "inversion": f"runs/{cell.id}/evidence.png"}


def _snapshot(cell: Cell, step: int) -> str:
    return f"runs/{cell.id}/snapshots/{step:05d}.png"
