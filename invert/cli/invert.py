"""`invert MODEL …`: the main job."""

from __future__ import annotations

import json
import os
import signal
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

import invert_reports
from invert.cli.arguments import invert_parser, prior_and_work
from invert.cli.progress import show
from invert.errors import RequestError
from invert.files import slug
from invert.sweeps.request import Request
from invert.sweeps.sweep import Sweep
from invert.sweeps.worker import CellFinished
from invert.typed_json import to_json

STATUS = {"done": 0, "failed": 1, "interrupted": 130}


def invert(words: list[str]) -> int:
    """Carry out one request; status 0, or 1 where a run failed, or 130 where it was interrupted."""
    options = invert_parser().parse_args(words)
    folders = {Path(folder) for folder in (options.out, options.resume) if isinstance(folder, str)}
    if len(folders) > 1:
        raise RequestError("--out and --resume name two folders: one of them is enough")
    if options.resume and not folders:
        raise RequestError("--resume needs a folder to go on with: --resume DIR")
    request = Request(
        model=options.model,
        layer=options.layer or (() if options.classes or options.unit else ("all",)),
        classes=options.classes,
        unit=options.unit,
        image=tuple(options.image),
        weights=options.weights,
        labels=options.labels,
        size=options.size,
        mean=options.mean,
        std=options.std,
        judge=options.judge,
        judge_weights=options.judge_weights,
        controls=options.controls,
        photos=options.photos,
        views=options.views,
        **prior_and_work(options),
    )
    out = folders.pop() if folders else _default_out(request.model)
    return carry_out(
        request, out, bool(options.resume), options.quiet, options.json, options.open, options.figure
    )


def carry_out(
    request: Request,
    out: Path,
    resume: bool,
    quiet: bool,
    as_json: bool = False,
    open_page: bool = False,
    figure: Path | None = None,
    again: str | None = None,
) -> int:
    """Run a request into `out`, drawing the page as cells finish, and say where it is.

    `again` is the option with which the same command goes on after an interruption.
    """
    sweep = Sweep(request)
    with _stopping(sweep):
        page = _run(sweep, out, resume, quiet=quiet or as_json)
    invert_reports.write_tables(out)
    if figure is not None:
        invert_reports.write_figure(out, figure)
    summary = sweep.summary.content
    if as_json:
        print(json.dumps(to_json(summary)))
    for name, reason in sweep.summary.failures().items():
        print(f"invert: {name} failed: {reason}", file=sys.stderr)
    if summary.status == "interrupted":
        print(
            f"invert: interrupted; the same command with {again or f'--resume {out}'} goes on",
            file=sys.stderr,
        )
    if open_page:
        webbrowser.open(page.resolve().as_uri())
    print(f"report: {page}", file=sys.stderr if as_json else sys.stdout)
    return STATUS[summary.status]


def _run(sweep: Sweep, out: Path, resume: bool, quiet: bool) -> Path:
    for event in show(sweep.run(out, resume), len(sweep.cells), quiet):
        if isinstance(event, CellFinished):
            invert_reports.write_page(out)
    return invert_reports.write_page(out)


def _default_out(model: str) -> Path:
    return Path("inversions") / slug(f"{Path(model).name}-{datetime.now():%Y%m%d-%H%M%S}".replace(":", "-"))


@contextmanager
def _stopping(sweep: Sweep) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM lets the step in work finish; the second stops at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        if sweep.interrupted:
            raise KeyboardInterrupt
        sweep.interrupt()
        with suppress(OSError):  # not `print`: the signal may have come in the middle of one
            os.write(2, b"\ninvert: stopping after this step (again: at once)\n")

    before: dict[int, Any] = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
