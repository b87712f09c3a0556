"""`invert MODEL …`: the main job."""

from __future__ import annotations

import json
import signal
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any

import reports
from invert.cli.arguments import invert_parser
from invert.cli.progress import show
from invert.errors import RequestError
from invert.records import slug
from invert.request import Request
from invert.settings import parse_assignments
from invert.sweep import CellFinished, Sweep


def invert(words: list[str]) -> int:
    """Carry out one request; status 0, or 1 where a run failed, or 130 where it was interrupted."""
    options = invert_parser().parse_args(words)
    if options.resume and options.out is None:
        raise RequestError("--resume needs --out DIR, the folder to go on with")
    request = Request(
        model=options.model,
        layer=options.layer or (() if options.classes or options.unit else ("all",)),
        classes=options.classes,
        unit=options.unit,
        prior=options.prior,
        image=tuple(options.image),
        weights=options.weights,
        labels=options.labels,
        size=options.size,
        mean=options.mean,
        std=options.std,
        steps=options.steps,
        seeds=tuple(range(options.seed, options.seed + options.seeds)),
        settings=parse_assignments(options.assignments),
        until=options.until,
        patience=options.patience,
        device=options.device,
        precision=options.precision,
        judge=options.judge,
        controls=options.controls,
        judge_weights=options.judge_weights,
        photos=options.photos,
        views=options.views,
    )
    unused = set(request.settings) - set(request.prior)
    if unused:
        raise RequestError(f"--set names the prior {min(unused)!r}, which --prior does not")
    out = Path(options.out) if options.out else _default_out(request.model)
    sweep = Sweep(request)
    with _stopping(sweep):
        page = _run(sweep, out, options.resume, quiet=options.quiet or options.json)
    summary = sweep.summary.content
    failed = [run for run in summary["runs"] if run["error"] is not None]
    if options.json:
        print(json.dumps(summary, ensure_ascii=False))
    for run in failed:
        print(f"invert: {run['id']} failed: {run['error']}", file=sys.stderr)
    if sweep.interrupted:
        print(f"invert: interrupted; --out {out} --resume goes on", file=sys.stderr)
    if options.open:
        webbrowser.open(page.resolve().as_uri())
    print(f"report: {page}", file=sys.stderr if options.json else sys.stdout)
    return 130 if sweep.interrupted else 1 if failed else 0


def _run(sweep: Sweep, out: Path, resume: bool, quiet: bool) -> Path:
    page = out / "report.html"
    for event in show(sweep.run(out, resume), len(sweep.cells), quiet):
        if isinstance(event, CellFinished):
            page = reports.write_page(out)
    return reports.write_page(out) if sweep.cells else page


def _default_out(model: str) -> Path:
    return Path("inversions") / slug(f"{Path(model).name}-{datetime.now():%Y%m%d-%H%M%S}".replace(":", "-"))


@contextmanager
def _stopping(sweep: Sweep) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM lets the step in work finish; the second stops at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        if sweep.interrupted:
            raise KeyboardInterrupt
        print("\ninvert: stopping after this step (again: at once)", file=sys.stderr)
        sweep.interrupt()

    before: dict[int, Any] = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
