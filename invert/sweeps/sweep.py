"""A request carried out, cell by cell, into a folder.

It prints nothing: it yields what happened, and the command line shows it and draws the page.
"""

from __future__ import annotations

import json
import time
import warnings
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from invert.engine.devices import choose_device, choose_precision
from invert.errors import InvertWarning, RequestError, one_line
from invert.files import WriteError, json_bytes, read_regular
from invert.photos import Skipped
from invert.pictures import BYTE_LIMIT
from invert.report import CommonError, Record, Report
from invert.subjects import Subject
from invert.sweeps.cells import Cell, choose_photos, groups, objective_of, plan
from invert.sweeps.executors import Executor, executor_for
from invert.sweeps.folder import Folder
from invert.sweeps.forecast import Kind, kind_of
from invert.sweeps.growth import PHOTOS, differences
from invert.sweeps.machine import fixed_threads, threads
from invert.sweeps.nulls import Nulls
from invert.sweeps.pace import Pace
from invert.sweeps.photo_scores import PhotoScores
from invert.sweeps.placement import Placement
from invert.sweeps.request import Request
from invert.sweeps.restoration import AnyRequest
from invert.sweeps.summary import AnySummary, Summary
from invert.sweeps.worker import (
    Begun,
    CellFinished,
    Checkpoint,
    Ended,
    File,
    GroupStep,
    Joined,
    Lost,
    Task,
    Warned,
    Worker,
    record_of,
    steps_of,
)

TOGETHER = {"cuda": 8}
"""How many seeds are solved together; on a CPU one at a time is as fast, and shows more sooner."""
MOST_LOST = 3
"""Workers that may be lost with the same cells before these have failed."""
HERE = Placement(jobs=1)
TRYING = 500
"""Steps to do for each kind of cell from which it pays to try how long a step of each takes: four do."""


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
class Notice:
    """Something that whoever reads the results should know."""

    text: str


@dataclass(frozen=True)
class Told:
    """What is good to know while it works."""

    text: str


@dataclass(frozen=True)
class PassStarted:
    """Of a sweep in passes, one of so many cells begins, whose report is in `out`."""

    text: str
    cells: int
    out: Path


@dataclass(frozen=True)
class Planned:
    """These cells are to be worked on, so many groups at a time; `tried` has some kinds' seconds a step."""

    cells: list[Cell]
    jobs: int
    tried: dict[Kind, float]


@dataclass(frozen=True)
class ReportWritten:
    """`report.json` in `out` is that of now; what is drawn from it before the next event is its cost too."""

    out: Path
    report: Report = field(repr=False)


SweepEvent = (
    PassStarted
    | Planned
    | PhotosScored
    | Notice
    | Told
    | GroupStarted
    | GroupStep
    | CellFinished
    | ReportWritten
)


class AnySweep(ABC):
    """The cells of a request, run into a folder.

    Making it loads what the cells are about and checks every name, so that a request that cannot be met
    raises `RequestError` before anything is written. `where` decides who works on them, never what comes
    of it; the `worker` brings what it has loaded.
    """

    cells: list[Cell]
    skipped: list[Skipped]
    scores: PhotoScores | None = None
    summary: AnySummary

    def __init__(self, request: AnyRequest, worker: Worker, where: Placement = HERE) -> None:
        self.where, self._worker = where, worker
        self.device = choose_device(request.device)
        choose_precision(request.precision, self.device)
        self.together = TOGETHER.get(self.device.type, 1)
        self.common: dict[str, CommonError] = {}
        self.interrupted = False
        self._executor: Executor | None = None
        self._lost: Counter[str] = Counter()
        self._asked = request

    @property
    @abstractmethod
    def stood_for(self) -> dict[str, Any]:
        """What the names in the request stood for: files can change behind them."""

    @property
    def digest(self) -> str | None:
        """That of the network, which workers elsewhere have to have as well."""
        return None

    @abstractmethod
    def summarised(self, folder: Folder) -> AnySummary:
        """The report, begun with what is in the folder."""

    @abstractmethod
    def fingerprint(self, cells: list[Cell]) -> str:
        """What cells compute together, whatever else the study holds."""

    def interrupt(self) -> None:
        """Stop after the step in work, keeping its best; the cells to come are left for `--resume`."""
        self.interrupted = True
        if self._executor is not None:
            self._executor.interrupt()

    def run(self, out: Path, resume: bool = False) -> Iterator[SweepEvent]:
        """Run what is missing in `out`, yielding what happens; `report.json` follows the cells.

        While it runs, torch computes with the threads that a cell has on this machine.
        """
        with fixed_threads():
            yield from self._run(Folder(out), resume)

    def _run(self, folder: Folder, resume: bool) -> Iterator[SweepEvent]:
        try:
            self._check_made_by_this(folder, resume)
            folder.tidy()
            yield from self.begin(folder)
            self.summary = self.summarised(folder)
            try:
                yield from self._run_missing(folder)
            except GeneratorExit:  # nobody listens any more, perhaps because the disk is full
                with suppress(WriteError):
                    self.summary.finish()
                raise
            except BaseException:
                self.summary.finish()
                raise
            self.summary.finish()
        finally:
            folder.close()

    def begin(self, folder: Folder) -> Iterator[SweepEvent]:
        """What has to be known before the cells are."""
        yield from ()

    def _run_missing(self, folder: Folder) -> Iterator[SweepEvent]:
        yield from self._other_threads()
        if self.scores and not all(map(self._is_finished, self.cells)):
            for done in self.scores.read():
                if self.interrupted:
                    return
                yield PhotosScored(done, len(self.scores.paths))
        waiting = deque(groups(self.cells, self.together))
        executor = self._executor = self._hired(waiting)
        if self.interrupted:
            executor.interrupt()
        finished = {cell.id for cell in self.cells if self._is_finished(cell)}
        to_do = [cell for cell in self.cells if cell.id not in finished]
        yield Planned(to_do, executor.jobs, self._speeds(to_do))
        pace = Pace()
        for event in executor.run(lambda: self._next_task(folder, waiting)):
            if pace.is_due:
                with pace.writing():
                    self.summary.write()
                    yield ReportWritten(folder.out, self.summary.content)
            if isinstance(event, Begun):
                yield GroupStarted(event.task.missing, len(finished))
            elif isinstance(event, File):
                folder.write(event.path, event.content)
            elif isinstance(event, Checkpoint):
                folder.write_checkpoint(event.cells[0].id, event.state, self.fingerprint(event.cells))
            elif isinstance(event, CellFinished):
                record = self.completed(event, folder)
                folder.write_record(record)
                record = self.summary.matched(event.cell, record)  # which is the study's, and grows with it
                self.summary.add(event.cell, record)
                pace.something_new()
                finished |= {event.cell.id} if self._is_finished(event.cell) else set()
                yield CellFinished(event.cell, record)
            elif isinstance(event, Ended):
                cells = event.task.cells
                if event.too_large:
                    half = len(cells) // 2
                    waiting.extendleft((cells[half:], cells[:half]))
                elif all(map(self._is_finished, cells)):
                    folder.drop_checkpoint(cells[0].id)
            elif isinstance(event, Lost):
                yield self._lost_with(event, folder, waiting)
            elif isinstance(event, Joined):
                yield Notice(event.text)
            elif isinstance(event, Warned):
                warnings.warn(event.text, InvertWarning, stacklevel=2)
            else:
                yield event

    def _hired(self, waiting: Iterable[list[Cell]]) -> Executor:
        """Who works on what is still to do."""
        to_do = [cells for cells in waiting if not all(map(self._is_finished, cells))]
        steps = sum(steps_of(cells[0]) for cells in to_do)
        return executor_for(self.where, self._worker, self.device, self.digest, len(to_do), steps)

    def _speeds(self, cells: list[Cell]) -> dict[Kind, float]:
        """The seconds a step of these cells' kinds: from runs that are there, or tried where it pays."""
        known: dict[Kind, float] = {}
        for cell in self.cells:
            record = self.summary.records.get(cell.id)
            if record is not None and record.steps and record.error is None:
                known[kind_of(cell)] = record.seconds / record.steps
        to_try = {kind_of(cell): cell for cell in cells if kind_of(cell) not in known}
        pays = sum(map(steps_of, cells)) >= TRYING * len(to_try)
        return known | (self.tried(to_try.values()) if pays and len(to_try) > 1 else {})

    def tried(self, cells: Iterable[Cell], seconds: float = 30.0) -> dict[Kind, float]:
        """The seconds a step of these cells takes, each tried; no more of them after so many seconds."""
        began, known = time.monotonic(), dict[Kind, float]()
        for cell in cells:
            if self.interrupted or time.monotonic() - began > seconds:
                break
            with suppress(Exception, SystemExit), fixed_threads():  # it will say so when its turn comes
                known[kind_of(cell)] = self._worker.seconds_a_step([cell])
        return known

    def _lost_with(self, lost: Lost, folder: Folder, waiting: deque[list[Cell]]) -> Notice:
        """The cells of a worker that is no more are done again, but not for ever."""
        cells = lost.task.cells
        self._lost[cells[0].id] += 1
        if self._lost[cells[0].id] < MOST_LOST:
            waiting.appendleft(cells)
            return Notice(f"a worker {lost.reason}: {cells[0].id} is done again")
        for cell in cells:
            if not self._is_finished(cell):
                reason = f"with this cell {MOST_LOST} workers were lost, the last one {lost.reason}"
                record = record_of(cell, None, error=reason)
                folder.write_record(record)
                self.summary.add(cell, record)
        return Notice(f"{cells[0].id} failed: {MOST_LOST} workers were lost with it")

    def _other_threads(self) -> Iterator[Notice]:
        """On a CPU the number of threads decides the last bits of a sum, and with them the picture."""
        known = {record.threads for record in self.summary.records.values()}
        before = known - {None, threads()}
        if before and self.device.type == "cpu" and not all(map(self._is_finished, self.cells)):
            yield Notice(
                f"what is finished was computed with {' or '.join(map(str, before))} threads, what "
                f"is to come with {threads()}: the same cell may come to other bits "
                f"(OMP_NUM_THREADS makes them the same)"
            )

    def _next_task(self, folder: Folder, waiting: deque[list[Cell]]) -> Task | None:
        """The next group that lacks a cell; None where there is none, or the sweep is to stop."""
        while waiting:
            cells = waiting.popleft()
            finished = frozenset(cell.id for cell in cells if self._is_finished(cell))
            if len(finished) == len(cells):
                folder.drop_checkpoint(cells[0].id)
            elif self.interrupted:
                return None
            else:
                state = folder.checkpoint(cells[0].id, self.fingerprint(cells))
                return Task(cells, finished, state)
        return None

    def _is_finished(self, cell: Cell) -> bool:
        """A cell that failed or was interrupted is tried again by `--resume`."""
        record = self.summary.records.get(cell.id)
        return record is not None and record.stopped not in (None, "interrupted")

    def _check_made_by_this(self, folder: Folder, resume: bool) -> None:
        # As it will be read back:
        stood_for = json.loads(json_bytes(self.stood_for, exact=True))
        asked = json.loads(json_bytes(self._asked.as_json(), exact=True)) | stood_for
        made_by = folder.request()
        if made_by is not None and not resume:
            raise RequestError(f"{folder.out} holds a run already: add --resume, or choose another --out")
        if made_by is not None and (unknown := [name for name in stood_for if name not in made_by]):
            raise RequestError(
                f"{folder.out} was made by an earlier version of invert, which did not note the "
                f"{', the '.join(unknown)}: nobody can tell whether it is the same; choose another --out"
            )
        if made_by is not None and (changes := differences(asked, made_by)):
            raise RequestError(f"{folder.out} was made by another request: {'; '.join(changes)}")
        folder.write_request(asked)

    def completed(self, event: CellFinished, folder: Folder) -> Record:
        """The record of a cell, with what only the whole sweep knows."""
        return event.record


class Sweep(AnySweep):
    """The cells of a request that is about a network."""

    def __init__(self, request: Request, worker: Worker | None = None, where: Placement = HERE) -> None:
        worker = worker or Worker()
        super().__init__(request, worker, where)
        self.request = request
        self.subject, self.judge = worker.subject(request), worker.judge(request)
        self._untrained = partial(worker.subject, replace(request, weights="random"))
        self.photos, self.skipped = choose_photos(request, partial(worker.photo, self.subject))
        self.cells = plan(request, self.subject, self.photos)
        self.scores = _photo_scores(request, self.subject, self.cells)

    def summarised(self, folder: Folder) -> Summary:
        nulls = Nulls(self.subject, self._untrained, self.photos, self.request.photos, folder)
        return Summary(
            self.request,
            self.subject,
            self.judge,
            self.photos,
            self.skipped,
            self.cells,
            folder,
            nulls,
            self.common,
        )

    def completed(self, event: CellFinished, folder: Folder) -> Record:
        """The record of a cell, with the photos that drive its class or unit."""
        if self.scores is None or not _scores_photos(event.cell) or event.record.error is not None:
            return event.record
        try:
            photos = self.scores.of(objective_of(event.cell, self.subject, None), folder)
            return replace(event.record, photos=photos)
        except WriteError:
            raise
        except Exception as error:
            return record_of(event.cell, None, error=one_line(error))

    @property
    def digest(self) -> str:
        return self.subject.sha256

    @cached_property
    def stood_for(self) -> dict[str, Any]:
        return self._network | {PHOTOS: self._photos}

    @cached_property
    def _network(self) -> dict[str, Any]:
        """What the names of the network and the judge stood for: files can change behind them."""
        judge = self.judge
        return {
            "sha256 of the network": self.subject.sha256,
            **{f"{part} of the network": fact for part, fact in self.subject.facts.items()},
            "sha256 of the judge": judge and judge.sha256,
            **{f"{part} of the judge": fact for part, fact in (judge.facts if judge else {}).items()},
        }

    @cached_property
    def _photos(self) -> dict[str, str]:
        """What the photos' names stood for: the digests of their files."""
        return {photo.path: sha256(read_regular(photo.path, BYTE_LIMIT)).hexdigest() for photo in self.photos}

    def fingerprint(self, cells: list[Cell]) -> str:
        """What cells compute together, whatever else the study holds."""
        photos = [self._photos[photo.path] for photo in self.photos if photo.id == cells[0].photo]
        what = [[cell.as_json() for cell in cells], self._network, photos]
        return sha256(json_bytes(what)).hexdigest()


def _scores_photos(cell: Cell) -> bool:
    """Whether photos can be told by how far they drive up what a cell does."""
    return cell.target is not None and cell.posed is None


def _photo_scores(request: Request, subject: Subject, cells: list[Cell]) -> PhotoScores | None:
    if request.photos is None:
        return None
    targets = [objective_of(cell, subject, None) for cell in cells if _scores_photos(cell)]
    scores = PhotoScores(subject, request.photos, targets)
    return scores if targets else None  # the photos then are what feature errors are small against
