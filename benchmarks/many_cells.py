"""What a study of 10,000 cells costs the process that keeps its folder: records, report, pages, memory.

    python benchmarks/many_cells.py                         10,000 cells, some minutes on one core
    python benchmarks/many_cells.py --cells 1000 --out DIR

The cells are copies. A few are computed, on the bundled network with few steps; their pictures, traces
and records then stand for all cells of a study of 5 layers x 2 priors x photos x 8 seeds, which comes in
as fast as it is taken. So nothing here says how long cells take, and all rows keep the same; what is
measured is what the driver does with each: its files and record, its match, `report.json` and the page.
Rows are measured once for each layer, prior and number of photos, and copied as the cells are, unless
--measure asks for all of them. It prints processor time a cell for each tenth of the study, the end, the
largest memory, and how long Chromium takes to open the page. A study in --out is gone on with.
"""

from __future__ import annotations

import argparse
import copy
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

import invert_reports
from invert.measures import RowEvidence
from invert.photos import default_photo
from invert.sweeps import summary
from invert.sweeps.request import Request
from invert.sweeps.sweep import ReportWritten, Sweep
from invert.sweeps.worker import (
    Begun,
    CellFinished,
    Ended,
    File,
    Task,
    Worker,
    WorkerEvent,
    files_of,
    record_of,
)

LAYERS = ("relu1", "relu2", "relu3", "relu5", "fc6")
PRIORS = ("none", "tv")
SEEDS = 8
STEPS = 8
TEMPLATES = 4
"""Cells of each layer that are computed, a prior and a seed each."""


class Copies:
    """An executor that has every cell done at once: as one of the few that were."""

    jobs = 1

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._known: dict[tuple[str | None, str, int], tuple[list[File], CellFinished]] = {}

    def run(self, next_task: Callable[[], Task | None]) -> Iterator[WorkerEvent]:
        while (task := next_task()) is not None:
            yield Begun(task)
            (cell,) = task.cells
            key = cell.layer, cell.prior, cell.seed % 2
            if key not in self._known:
                events = list(self.worker.solve(task))
                finished = next(event for event in events if isinstance(event, CellFinished))
                self._known[key] = [event for event in events if isinstance(event, File)], finished
            files, finished = self._known[key]
            for file in files:
                if file.path.startswith("runs/"):
                    yield File(file.path.replace(finished.cell.id, cell.id), file.content)
            known = finished.record
            asked = record_of(cell, None)
            yield CellFinished(
                cell,
                replace(
                    known,
                    id=cell.id,
                    **cell.identity(),
                    command=asked.command,
                    files=files_of(cell, known.steps),
                ),
            )
            yield Ended(task, False)

    def interrupt(self) -> None:
        pass


def photos(folder: Path, count: int) -> None:
    """Crops of a photo, each another."""
    whole = Image.open(default_photo()).convert("RGB")
    side = min(whole.size) // 2
    for n in range(count):
        left, top = (n * 37) % (whole.width - side), (n * 53) % (whole.height - side)
        crop = whole.crop((left, top, left + side, top + side)).resize((160, 160))
        (ImageOps.mirror(crop) if n % 2 else crop).save(folder / f"photo-{n:04d}.png")


def copied(measure: Callable[..., Any]) -> Callable[..., Any]:
    """A measure of rows that is taken once for rows of one layer and as many pictures."""
    known: dict[Any, Any] = {}

    def measured(row: RowEvidence) -> Any:
        key = row.layer, tuple(row.images.shape), float(row.images[0, 0].sum()) > 0
        if key not in known:
            known[key] = measure(row)
        return copy.deepcopy(known[key])

    return measured


def memory() -> float:
    """The largest so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def opens(page: Path) -> float:
    """Seconds in which Chromium, started anew, has loaded a page and drawn it."""
    chromium = shutil.which("chromium") or "chromium"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=0"]
    shot = f"--screenshot={page.with_suffix('.png')}"
    took = []
    for address in ("about:blank", page.absolute().as_uri()):
        began = time.monotonic()
        subprocess.run(
            [chromium, *flags, shot, "--window-size=1280,2000", address], capture_output=True, check=True
        )
        took.append(time.monotonic() - began)
    print(f"Chromium itself {took[0]:.2f} s, with the page {took[1]:.2f} s")
    return took[1] - took[0]


def study(out: Path, cells: int, seconds: float) -> None:
    count = max(cells // (len(LAYERS) * len(PRIORS) * SEEDS), 1)
    folder = out / "photos"
    if not folder.is_dir():
        folder.mkdir(parents=True)
        photos(folder, count)
    request = Request(
        model="alexnet-mini",
        layer=LAYERS,
        prior=PRIORS,
        image=(str(folder),),
        seeds=tuple(range(SEEDS)),
        steps=STEPS,
        device="cpu",
    )
    worker = Worker()
    sweep = Sweep(request, worker)
    sweep._hired = lambda waiting: Copies(worker)  # type: ignore[method-assign]
    total, done, written, drawing = len(sweep.cells), 0, 0, 0.0
    print(f"{total} cells: {len(LAYERS)} layers x {len(PRIORS)} priors x {count} photos x {SEEDS} seeds")
    began, since, tenth = time.process_time(), time.monotonic(), max(total // 10, 1)
    end = time.monotonic() + seconds
    for event in sweep.run(out / "study", resume=True):
        if time.monotonic() > end and not sweep.interrupted:
            sweep.interrupt()
        if isinstance(event, ReportWritten):
            before = time.process_time()
            invert_reports.write_page(event.out, event.report)
            written, drawing = written + 1, drawing + time.process_time() - before
        if isinstance(event, CellFinished):
            done += 1
            if done % tenth == 0:
                now, wall = time.process_time(), time.monotonic()
                cost = 1000 * (now - began) / tenth, 1000 * drawing / tenth, 1000 * (wall - since) / tenth
                print(
                    f"to {done:6}: {cost[0]:6.1f} ms a cell, of it pages {cost[1]:5.1f}, by the clock "
                    f"{cost[2]:6.1f}; written {written} times; {memory():.2f} GiB",
                    flush=True,
                )
                began, since, written, drawing = now, wall, 0, 0.0
    before = time.process_time()
    page = invert_reports.write_page(out / "study")
    print(
        f"the last page: {time.process_time() - before:.1f} s of processor time; {memory():.2f} GiB at most"
    )
    study = out / "study"
    size = sum(file.stat().st_size for file in study.rglob("*") if file.is_file()) / 2**20
    report, behind = (study / "report.json").stat().st_size / 2**20, len(list(study.glob("pages/*")))
    print(f"{size:.0f} MiB on disk; report.json {report:.1f} MiB")
    print(f"report.html {page.stat().st_size / 2**20:.1f} MiB, with {behind} pages behind it")
    print(f"opens in {opens(page):.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="leave off after so many")
    parser.add_argument("--measure", action="store_true", help="every row, as a study does")
    options = parser.parse_args()
    if not options.measure:
        summary.measure_row, summary.kept_map = copied(summary.measure_row), copied(summary.kept_map)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if options.out is not None:
        study(options.out, options.cells, options.seconds)
        sys.exit()
    with tempfile.TemporaryDirectory() as temporary:
        study(Path(temporary), options.cells, options.seconds)
