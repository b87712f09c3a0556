"""A comparison carried out: the networks run that are no folders yet, the page, and the verdict shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

import invert_reports
from invert.cli.carry_out import carry_out
from invert.cli.comment import markdown
from invert.cli.study import Output
from invert.cli.terminal import say, show_table, tell
from invert.errors import RequestError
from invert.files import write_json
from invert.report import read_report
from invert.sweeps.auto import first_folder, first_of
from invert.sweeps.compare import Change, Comparison, compare
from invert.sweeps.one_error import at_one_error
from invert.sweeps.options import AUTO, Said, read
from invert.sweeps.placement import Placement
from invert.sweeps.request import Request
from invert.sweeps.sides import Side
from invert.sweeps.threshold import Judgement, Threshold, judge
from invert.sweeps.verdict import Verdict, verdict

if TYPE_CHECKING:
    from invert.cli.compare import Comparing

SHOWN = (
    "feature_error",
    "kept.luminance",
    "kept.colour",
    "kept.cycles.1-4",
    "kept.cycles.8-16",
    "place_kept",
)
FEWEST_SEEDS = 3
"""With fewer, the noise of what is kept cannot be measured: it is taken over pairs of seeds."""


def comparison(asked: Comparing, said: Said, command: str) -> int:
    """Standard output holds one form of what is asked for, and standard error the progress."""
    output = read(Output, said)
    if output.json and asked.markdown:
        raise RequestError("--json and --markdown both ask for standard output: one of them")
    thresholds = [Threshold.parse(text) for text in asked.fail_if]
    pairs = dict(_pair(text) for text in asked.layer)
    folders: list[Path] = []
    sides = list(_sides(said, asked, output, pairs, any(t.needs_seeds for t in thresholds)))
    if said.get("until") == AUTO:
        for label, (folder, request) in zip("AB", sides, strict=True):
            if request is not None:
                tell(f"first, the least feature error of each run of {label}")
                if status := _run(first_of(request), first_folder(folder), asked, output, said):
                    return status
        sides = at_one_error(sides, pairs)
    for folder, request in sides:
        if request is not None and (status := _run(request, folder, asked, output, said)):
            return status
        folders.append(folder)
    a, b = (Side(folder, read_report(folder)) for folder in folders)
    for side in (a, b):
        if side.report.headline is not None:
            raise RequestError(f"{side.folder} holds restored pictures: what is compared is two networks")
    found = compare(a, b, pairs)
    judgements = judge(thresholds, found)
    told = verdict(found)
    content = found.as_json() | {"verdict": told.as_json(), "fail_if": [j.as_json() for j in judgements]}
    out = Path(output.out) if output.out else None
    page = None
    if out is not None:
        write_json(out / "comparison.json", content)
        page = invert_reports.write_comparison(out, *folders)
    if output.json:
        print(json.dumps(content))
    elif asked.markdown:
        print(markdown(found, told, judgements, command))
    else:
        _show(found, told)
    if page is not None:
        with redirect_stdout(sys.stderr if output.json or asked.markdown else sys.stdout):
            say(f"comparison: {page}")
    return _tell(judgements)


def _sides(
    said: Said, asked: Comparing, output: Output, pairs: dict[str, str], judged: bool
) -> Iterator[tuple[Path, Request | None]]:
    """Each side: its folder, and the request that is to fill it where it is not yet one that holds a run."""
    for index, side in enumerate((asked.a, asked.b)):
        if (Path(side) / "report.json").is_file():
            yield Path(side), None
            continue
        if output.out is None:
            raise RequestError("networks are run before they are compared: say where with --out DIR")
        model, _, weights = side.partition("=")
        layers = tuple(dict.fromkeys(pairs.values() if index else pairs))
        request = read(Request, said, model=model, weights=weights or None, layer=layers)
        if judged and len(request.seeds) < FEWEST_SEEDS:
            raise RequestError(
                f"--fail-if is decided beyond the noise between seeds: give --seeds {FEWEST_SEEDS} or more"
            )
        yield Path(output.out) / "ab"[index], request


def _run(request: Request, folder: Path, asked: Comparing, output: Output, said: Said) -> int:
    where = read(Placement, said)
    with redirect_stdout(sys.stderr):
        return carry_out(request, folder, asked.resume, output.quiet, again="--resume", where=where)


def _pair(text: str) -> tuple[str, str]:
    a, _, b = text.partition("=")
    return a, b or a


def _tell(judgements: list[Judgement]) -> int:
    """Say on standard error what --fail-if found, noise floors first; 1 where one has failed."""
    for judgement in judgements:
        for floor in judgement.floors:
            tell(floor)
    for judgement in judgements:
        for failure in judgement.failures:
            tell(f"--fail-if {judgement.threshold.text!r}: {failure}")
    return 1 if any(judgement.failures for judgement in judgements) else 0


def _show(found: Comparison, said: Verdict) -> None:
    first, *rest = said.lines
    say(first, style="bold red" if said.changed else "bold")
    for line in rest:
        say(line)
    for caution in said.cautions:
        say(f"! {caution}", style="yellow")
    rows = [(row.name, row.a.prior, *(_cell(row.changes.get(name)) for name in SHOWN)) for row in found.rows]
    show_table(
        ("layer", "prior", *SHOWN), rows, title=f"A to B (change ± noise floor), over {_photos(found)}"
    )
    if said.looked_at:
        say(f"* beyond noise: {said.beyond}")


def _photos(found: Comparison) -> str:
    count = len(found.photos)
    return f"{count} photo{'s' if count != 1 else ''}"


def _cell(change: Change | None) -> Text:
    """`0.81 to 0.32 (−0.49 ± 0.05)`; marked, and red where it is worse, only beyond noise."""
    if change is None or change.change is None:
        return Text("–")
    a, b = change.shown
    noise = "" if change.noise is None else f" ± {change.noise.half_width():.2g}"
    text = f"{a:.3g} to {b:.3g} ({change.change:+.2g}{noise})".replace("-", "−")
    if not change.beyond_noise:
        return Text(text)
    return Text(f"{text} *", style="bold red" if change.worse else "bold green")
