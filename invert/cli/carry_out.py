"""A request carried out: progress while it runs, signals, the page, and the last lines."""

from __future__ import annotations

import json
import os
import signal
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import invert_reports
from invert.cli.progress import show
from invert.cli.restored import show_restored
from invert.cli.rows import show_rows
from invert.cli.shown import show_pictures
from invert.cli.terminal import PATH, say, tell
from invert.errors import plain
from invert.foreign import foreign
from invert.photos import Skipped
from invert.report import LayerRow
from invert.sweeps.auto import FIRST, AutoSweep, sweep_of, told
from invert.sweeps.dry_run import plan_of
from invert.sweeps.options import AUTO
from invert.sweeps.placement import Placement
from invert.sweeps.request import Request
from invert.sweeps.restoration import AnyRequest
from invert.sweeps.sweep import HERE, AnySweep, ReportWritten, Sweep
from invert.typed_json import to_json

SAID = 10
"""How many of the files that were skipped are named at the terminal."""

STATUS = {"done": 0, "failed": 1, "interrupted": 130}


def carry_out(
    request: AnyRequest,
    out: Path,
    resume: bool,
    quiet: bool,
    as_json: bool = False,
    open_page: bool = False,
    figure: Path | None = None,
    again: str | None = None,
    where: Placement = HERE,
    shown: bool = False,
) -> int:
    """Run a request into `out`, drawing the page as cells finish, and say where it is.

    `again` is the option with which the same command goes on after an interruption.
    """
    with foreign():
        sweep = sweep_of(request, where)
        _say(sweep.skipped)
        with _stopping(sweep):
            page = _run(sweep, out, resume, quiet)
    invert_reports.write_tables(out)
    if figure is not None:
        invert_reports.write_figure(out, figure)
    if sweep.scores:
        _say(sweep.scores.skipped)
    summary = sweep.summary.content
    if as_json:
        print(json.dumps(to_json(summary)))
    for name, reason in sweep.summary.failures().items():
        tell(f"{plain(name, 200)} failed: {reason}")
    if not quiet:
        if summary.headline is not None:
            show_restored(summary, out, to_error=as_json)
        else:
            show_rows(summary, to_error=as_json)
        _tell_unmatched(summary.layers)
        if common := told(summary.common):
            tell(f"common feature error: {plain(common, PATH)}")
    if shown:
        show_pictures(summary, out, to_error=as_json)
    if summary.status == "interrupted":
        tell(f"interrupted; the same command with {again or f'--resume {out}'} goes on")
    if open_page:
        webbrowser.open(page.resolve().as_uri())
    print(f"report: {plain(str(page), PATH)}", file=sys.stderr if as_json else sys.stdout)
    return STATUS[summary.status]


def foresee(request: Request, out: Path, where: Placement, as_json: bool) -> int:
    """Say on standard output what a request into `out` would take; nothing is written."""
    with foreign():
        sweep = sweep_of(request, where)
        assert isinstance(sweep, Sweep)
        _say(sweep.skipped)
        passes = [sweep.first] if isinstance(sweep, AutoSweep) and sweep.first is not None else []
        plans = [plan_of(each, out / FIRST) for each in passes]
        if request.until != AUTO:
            plans.append(plan_of(sweep, out))
    if as_json:
        print(json.dumps([plan.as_json() for plan in plans]))
        return 0
    for plan in plans:
        for line in plan.lines():
            say(line)
    if passes:
        say("that is the first of two passes; the second takes at most as long again")
    return 0


def _say(skipped: list[Skipped]) -> None:
    """What of the folders of photos was not looked at, and why."""
    for each in skipped[:SAID]:
        tell(f"skipped {each}")
    if len(skipped) > SAID:
        tell(f"skipped {len(skipped) - SAID} more; report.json names them")


def _run(sweep: AnySweep, out: Path, resume: bool, quiet: bool) -> Path:
    for event in show(sweep.run(out, resume), len(sweep.cells), quiet):
        if isinstance(event, ReportWritten):
            invert_reports.write_page(event.out, event.report)
    return invert_reports.write_page(out)


def _tell_unmatched(rows: list[LayerRow]) -> None:
    """The rows that cannot be read yet, and the command that goes on with each."""
    for row in rows:
        if row.match is not None and not row.match.enough:
            tell(f"{row.layer} {row.prior} is not matched; to go on:")
            with suppress(BrokenPipeError):
                print(f"  {plain(row.match.command or '', PATH)}", file=sys.stderr)


@contextmanager
def _stopping(sweep: AnySweep) -> Iterator[None]:
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
