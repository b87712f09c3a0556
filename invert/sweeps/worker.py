"""What computes cells: from the cells alone, with the networks and photos it has met at hand.

It writes nothing and prints nothing. It yields what happened, the content of files and the state to
go on from among it, as plain values: where it works is the executor's business, where they go the sweep's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from invert import images
from invert.api import Result, result
from invert.engine.devices import choose_device
from invert.engine.optimisation import Optimisation, Step, Stopped
from invert.engine.problem import Problem
from invert.errors import RequestError, one_line
from invert.files import json_bytes, slug
from invert.foreign import is_end
from invert.protocols import Stop
from invert.report import AttributionFiles, Posed, Record, RecordFiles, Snapshot
from invert.settings import as_json, objective_as_json
from invert.subjects import Subject, load
from invert.subjects.attribution import attribution_map, overlay
from invert.sweeps.cells import Cell, objective_of, photo_path, posed_by, prior_of, stops_of
from invert.sweeps.describe import top5
from invert.sweeps.observing import given
from invert.sweeps.request import Request
from invert.sweeps.restoration import Restoration
from invert.sweeps.restoring import Restoring
from invert.tasks import Given

CHECKPOINT_SECONDS = 30.0
SNAPSHOTS = 8
PHOTOS = 64
"""How many photos a worker keeps at hand."""


@dataclass(frozen=True)
class Task:
    """Cells that differ in their seed alone, to be solved together.

    All are solved even where some are `finished`: in another company the others would come to other
    bits. `state` is that of a checkpoint to go on from.
    """

    cells: list[Cell]
    finished: frozenset[str] = frozenset()
    state: dict[str, Tensor] | None = field(default=None, repr=False)

    @property
    def missing(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.id not in self.finished]


@dataclass(frozen=True)
class Begun:
    task: Task


@dataclass(frozen=True)
class GroupStep:
    """A step of `steps` is done for all cells of a group; `loss` is that of the first."""

    cells: list[Cell]
    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class File:
    """The content of a file of the run's folder, at `path` in it."""

    path: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Checkpoint:
    """Where these cells can be gone on with."""

    cells: list[Cell]
    state: dict[str, Tensor] = field(repr=False)


@dataclass(frozen=True)
class CellFinished:
    """A cell has a record, and its files came before."""

    cell: Cell
    record: Record


@dataclass(frozen=True)
class Ended:
    """The task is over, or `too_large`: what it still lacks does not fit into memory together."""

    task: Task
    too_large: bool


@dataclass(frozen=True)
class Lost:
    """A worker ended before its task did; the reason in words."""

    task: Task
    reason: str


@dataclass(frozen=True)
class Warned:
    """An `InvertWarning` came up where a task was worked on."""

    text: str


@dataclass(frozen=True)
class Joined:
    """A worker elsewhere has come, or is waited for, in words."""

    text: str


WorkerEvent = Begun | GroupStep | File | Checkpoint | CellFinished | Ended | Lost | Warned | Joined


class Worker:
    """Computes cells, one task at a time. What one cell has loaded is there for the next.

    `find` says where a file lies here that a request names, or gives the name back.
    """

    def __init__(self, find: Callable[[str], str] = str) -> None:
        self._find = find
        self._subjects: dict[tuple[Any, ...], Subject] = {}
        self._photos: dict[tuple[Subject, str], Tensor] = {}
        self._given: tuple[Any, Given] | None = None
        self._interrupted = False
        self._optimisation: Optimisation | None = None

    def subject(self, request: Request) -> Subject:
        """The network that a request is about."""
        return self._load(
            request.model,
            request.weights,
            request.device,
            size=request.size,
            mean=request.mean,
            std=request.std,
            labels=request.labels,
        )

    def judge(self, request: Request) -> Subject | None:
        if request.judge is None:
            if request.judge_weights is not None:
                raise RequestError("--judge-weights needs --judge MODEL")
            return None
        return self._load(request.judge, request.judge_weights, request.device)

    def interrupt(self) -> None:
        """End after the step in work, keeping its best, and every later task after its first."""
        self._interrupted = True
        if self._optimisation is not None:
            self._optimisation.interrupt()

    def solve(self, task: Task) -> Iterator[WorkerEvent]:
        """Solve a task; what goes wrong with its cells is in their records.

        What went on from a checkpoint and failed is solved from the beginning: it may have been that.
        """
        yield Begun(task)
        left = task.missing
        too_large, error_line = False, ""
        try:
            for event in self._solve(task):
                if isinstance(event, CellFinished):
                    left.remove(event.cell)
                yield event
        except BaseException as error:  # a network may exit, and libraries panic with what is no Exception
            if is_end(error):
                raise
            too_large = isinstance(error, torch.OutOfMemoryError) and len(task.cells) > 1
            error_line = one_line(error)
        self._optimisation = None
        if error_line and not too_large and task.state is not None:
            done = {cell.id for cell in task.missing if cell not in left}
            yield from self.solve(Task(task.cells, task.finished | done))
            return
        if too_large:
            # Only here, after the error is gone, does nothing hold the memory any more.
            torch.cuda.empty_cache()
        else:
            for cell in left:
                yield CellFinished(cell, record_of(cell, None, error=error_line))
        yield Ended(task, too_large)

    def seconds_a_step(self, cells: list[Cell]) -> float:
        """How long a step of a cell of these takes here, tried in a few; nothing comes of them."""
        steps = (
            4 if choose_device(cells[0].request.device).type == "cpu" else 24
        )  # the first prepare the rest
        seconds = began = 0.0
        for event in self._posed(cells, steps)[1]:
            if isinstance(event, Step) and event.step in (steps // 2, steps):
                float(event.loss[0])  # the device has come so far
                seconds, began = time.monotonic() - began, time.monotonic()
        return seconds / (steps - steps // 2) / len(cells)

    def _posed(self, cells: list[Cell], steps: int | None) -> tuple[Inverting | Restoring, Optimisation]:
        first = cells[0]
        work = self._restoring(first) if isinstance(first.request, Restoration) else self._inverting(first)
        return work, work.problem.optimisation(
            [cell.seed for cell in cells],
            steps,
            until=first.until,
            patience=first.request.patience,
            stops=work.stops,
            precision=first.request.precision,
        )

    def _solve(self, task: Task) -> Iterator[WorkerEvent]:
        cells, first = task.cells, task.cells[0]
        work, optimisation = self._posed(cells, first.request.steps)
        self._optimisation = optimisation
        if self._interrupted:
            optimisation.interrupt()
        steps = steps_of(first)
        watch = work.watch(steps, len(cells))
        if task.state is not None:
            optimisation.restore(watch.restore(task.state) if watch else task.state)
        wanted = _snapshot_steps(steps)
        checkpointed = time.monotonic()
        for event in optimisation:
            if isinstance(event, Step):
                if watch:
                    watch.look(optimisation, event.step)
                if event.step in wanted:
                    for cell, image in zip(cells, torch.split(event.image, 1), strict=True):
                        if cell.id not in task.finished:
                            yield File(_snapshot(cell, event.step), images.to_png(image))
                if time.monotonic() - checkpointed > CHECKPOINT_SECONDS:
                    yield Checkpoint(cells, optimisation.state() | (watch.state() if watch else {}))
                    checkpointed = time.monotonic()
                if event.settled:
                    yield GroupStep(cells, event.step, steps, float(event.loss[0]))
        assert isinstance(event, Stopped)
        if "interrupted" in event.reasons:
            yield Checkpoint(cells, optimisation.state() | (watch.state() if watch else {}))
        for b, cell in enumerate(cells):
            if cell.id not in task.finished:
                came_back = partial(work.result, event, optimisation, b, cell.seed)
                yield from _conclude(cell, work, came_back, watch.psnr[:, b] if watch else None)

    def _inverting(self, cell: Cell) -> Inverting:
        subject = self.subject(cell.of_network)
        photo = None if cell.photo is None else self.photo(subject, photo_path(cell))
        return Inverting(cell, subject, photo, partial(self.judge, cell.of_network))

    def _restoring(self, cell: Cell) -> Restoring:
        """The picture is read once for all of its cells."""
        request = cell.request
        assert isinstance(request, Restoration)
        key = replace(request, prior=("none",), seeds=(0,)).as_json()
        if self._given is None or self._given[0] != key:
            self._given = (key, given(request))
        return Restoring(cell, self._given[1])

    def photo(self, subject: Subject, path: str) -> Tensor:
        """A photo as a network sees it, `(1, C, H, W)` in [0, 1]."""
        if (subject, path) not in self._photos:
            while len(self._photos) >= PHOTOS:
                del self._photos[next(iter(self._photos))]
            self._photos[subject, path] = subject.image(self._find(path))
        return self._photos[subject, path]

    def _load(self, model: str, weights: str | None, device: str, **rest: Any) -> Subject:
        key = (model, weights, device, *rest.items())
        if key not in self._subjects:
            rest |= {name: self._find(rest[name]) for name in ("labels",) if rest.get(name)}
            found = load(self._find(model), weights and self._find(weights), **rest)
            self._subjects[key] = found.to(choose_device(device))
        return self._subjects[key]


@dataclass(frozen=True)
class Inverting:
    """What cells that look at a network and differ in their seed have in common."""

    cell: Cell
    subject: Subject
    photo: Tensor | None
    judge: Callable[[], Subject | None]

    @cached_property
    def problem(self) -> Problem:
        objective = objective_of(self.cell, self.subject, self.photo)
        return Problem.pose(self.subject, objective, prior_of(self.cell), views=self.cell.of_network.views)

    @property
    def stops(self) -> list[Stop]:
        return stops_of(self.cell.request)

    def watch(self, steps: int, problems: int) -> None:
        return None

    def result(self, stopped: Stopped, optimisation: Optimisation, b: int, seed: int) -> Result:
        return result(self.problem, stopped, optimisation, b, seed, self.judge())

    def files(self, cell: Cell, image: Tensor) -> dict[str, bytes]:
        """The picture, and where the layer finds the photo's class, in the photo and in the inversion."""
        files = {f"runs/{cell.id}/image.png": images.to_png(image)}
        if cell.layer is None or cell.posed is not None or self.photo is None or self.subject.classes is None:
            return files
        class_index = self.subject.top(self.photo, 1)[0][0][0]
        wanted = _attributions(cell)
        for path, pixels in ((wanted.original, self.photo), (wanted.inversion, image)):
            found = attribution_map(self.subject, cell.layer, pixels, class_index)
            if found is not None and path is not None:
                files[path] = images.to_png(overlay(pixels, found))
        return files

    def recorded(self, record: Record, found: Result) -> Record:
        return replace(record, top5=top5(self.subject, found.image))


def _conclude(
    cell: Cell, work: Inverting | Restoring, conclude: Callable[[], Result], psnr: Tensor | None
) -> Iterator[WorkerEvent]:
    """The files and the record of a cell that was solved."""
    try:
        came_back = conclude()
        files = work.files(cell, came_back.image)
        files[f"runs/{cell.id}/trace.json"] = _trace(came_back.loss, came_back.penalty, psnr)
        picture = sha256(files[f"runs/{cell.id}/image.png"]).hexdigest()
        record = replace(work.recorded(record_of(cell, came_back), came_back), sha256=picture)
    except torch.OutOfMemoryError:
        raise
    except (Exception, SystemExit) as error:
        files, record = {}, record_of(cell, None, error=one_line(error))
    for path, content in files.items():
        yield File(path, content)
    yield CellFinished(cell, record)


def record_of(cell: Cell, result: Result | None, error: str | None = None) -> Record:
    """What is kept of a run (docs/files.md); without a result, of one that failed."""
    record = Record(
        id=cell.id,
        **cell.identity(),
        settings=as_json(prior_of(cell)) | {"steps": steps_of(cell)},
        until=cell.until,
        error=error,
        device=str(choose_device(cell.request.device)),
        precision=cell.request.precision,
        threads=torch.get_num_threads(),
        posed=posed_of(cell),
        command=cell.request.command(),
        files=files_of(cell, None),
    )
    if result is None:
        return record
    return replace(
        record,
        steps=result.steps,
        seconds=round(result.seconds, 3),
        stopped=result.stopped,
        reached=_reached(cell, result),
        device=result.device,
        precision=result.precision,
        parameters=result.parameters,
        views=result.views.as_json() if result.views else None,
        feature_error=result.feature_error,
        measures=result.measures,
        files=files_of(cell, result.steps),
    )


def posed_of(cell: Cell) -> Posed | None:
    """The objective of a cell as a report says it, where it was asked for by name."""
    if cell.posed is None:
        return None
    objective = posed_by(cell.of_network, cell.posed, cell.photo)
    return Posed(name=cell.posed, settings=objective_as_json(objective))


def _reached(cell: Cell, result: Result) -> bool | None:
    """Whether features are matched as --until asks; null where it asks nothing of this cell."""
    return None if cell.until is None else result.stopped == "until"


def files_of(cell: Cell, steps: int | None) -> RecordFiles:
    """The files of a run that ended after so many steps, or, without, of one that failed."""
    here = f"runs/{cell.id}"
    if steps is None:
        return RecordFiles(record=f"{here}/record.json")
    return RecordFiles(
        image=f"{here}/image.png",
        trace=f"{here}/trace.json",
        record=f"{here}/record.json",
        snapshots=[
            Snapshot(step=step, file=_snapshot(cell, step))
            for step in _snapshot_steps(steps_of(cell))
            if step <= steps
        ],
        evidence=_attributions(cell) if cell.objective == "feature" and cell.posed is None else None,
        observed=observed_file(cell) if cell.objective == "restoration" else None,
    )


def observed_file(cell: Cell) -> str:
    """Where what was seen of a picture is shown: for all of its cells."""
    return f"images/observed/{cell.photo}.png"


def steps_of(cell: Cell) -> int:
    """How many steps a cell takes, if nothing stops it."""
    return cell.request.steps or prior_of(cell).steps


def _trace(loss: Tensor, penalty: Tensor, psnr: Tensor | None) -> bytes:
    trace = {
        "step": list(range(1, len(loss) + 1)),
        "loss": [_short(value) for value in loss.tolist()],
        "penalty": [_short(value) for value in penalty.tolist()],
    }
    if psnr is not None:
        trace["psnr"] = [_short(value) for value in psnr[: len(loss)].tolist()]
    return json_bytes(trace, indent=None)


def _short(value: float) -> float | None:
    return float(f"{value:.6g}") if abs(value) < float("inf") else None


def _snapshot_steps(steps: int) -> list[int]:
    """Steps to keep a picture of: doubling, so that the early, fast changes are seen."""
    return sorted({max(1, round(steps / 2**k)) for k in range(SNAPSHOTS)})


def _attributions(cell: Cell) -> AttributionFiles:
    """The attribution maps of a cell; that of the photo is shared by all cells of its layer and network."""
    assert cell.photo is not None and cell.layer is not None
    shared = slug(f"{cell.photo}-{cell.layer}{'-random' if cell.control else ''}")
    here = f"runs/{cell.id}"
    return AttributionFiles(original=f"images/evidence/{shared}.png", inversion=f"{here}/evidence.png")


def _snapshot(cell: Cell, step: int) -> str:
    return f"runs/{cell.id}/snapshots/{step:05d}.png"
