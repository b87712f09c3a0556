"""`invert compare A B`: what changed in what is kept, and what of it is noise."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

import invert_reports
from invert.cli.arguments import Parser, add_prior_options, add_work_options, names, parser, prior_and_work
from invert.cli.comment import markdown
from invert.cli.invert import carry_out
from invert.errors import RequestError
from invert.files import write_json
from invert.report import read_report
from invert.sweeps.compare import Change, Comparison
from invert.sweeps.compare import compare as compared
from invert.sweeps.request import Request
from invert.sweeps.sides import Side
from invert.sweeps.threshold import Judgement, Threshold, judge
from invert.sweeps.verdict import Verdict, verdict

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


def compare(words: list[str]) -> int:
    """Status 0, or 1 where a run failed or a `--fail-if` came true, or 130 where it was interrupted."""
    options = _parser().parse_args(words)
    if options.json and options.markdown:
        raise RequestError("--json and --markdown both ask for standard output: one of them")
    thresholds = [Threshold.parse(text) for text in options.fail_if]
    sides = [
        Path(side) if (Path(side) / "report.json").is_file() else None for side in (options.a, options.b)
    ]
    if options.out is None and None in sides:
        raise RequestError("networks are run before they are compared: say where with --out DIR")
    if thresholds and None in sides and options.seeds < FEWEST_SEEDS:
        raise RequestError(
            f"--fail-if is decided beyond the noise between seeds: give --seeds {FEWEST_SEEDS} or more"
        )
    pairs = dict(_pair(text) for text in options.layer)
    with redirect_stdout(sys.stderr):
        for index, side in enumerate((options.a, options.b)):
            if sides[index] is None:
                sides[index], status = _run(side, index, pairs, options)
                if status:
                    return status
    a, b = (Side(folder, read_report(folder)) for folder in sides if folder is not None)
    comparison = compared(a, b, pairs)
    judgements = judge(thresholds, comparison)
    found = verdict(comparison)
    content = comparison.as_json() | {
        "verdict": found.as_json(),
        "fail_if": [judgement.as_json() for judgement in judgements],
    }
    if options.out is not None:
        write_json(Path(options.out) / "comparison.json", content)
        page = invert_reports.write_comparison(Path(options.out), a.folder, b.folder)
    if options.json:
        print(json.dumps(content))
    elif options.markdown:
        print(markdown(comparison, found, judgements, shlex.join(["invert", "compare", *words])))
    else:
        _print(comparison, found)
    if options.out is not None:
        print(f"comparison: {page}", file=sys.stderr if options.json or options.markdown else sys.stdout)
    return _tell(judgements)


def _parser() -> Parser:
    p = parser("compare", "Two networks or two checkpoints, the same photos and layers: what changed.")
    p.add_argument("a", metavar="A", help="a folder that `invert` wrote, or MODEL or MODEL=WEIGHTS to run")
    p.add_argument("b", metavar="B", help="the same, to set against A")
    p.add_argument("--layer", type=names, default=("all",), metavar="NAMES",
                   help="layers to compare, NAME or NAME_IN_A=NAME_IN_B (default: all)")  # fmt: skip
    p.add_argument("--image", action="append", default=[], metavar="FILE|DIR")
    p.add_argument("--fail-if", action="append", default=[], metavar="THRESHOLD",
                   help='such as "layer fc6 kept.luminance < -0.05"; status 1 where the whole 95 %% interval '
                   "of the change is beyond it, or cannot be told; may be given several times")  # fmt: skip
    add_prior_options(p)
    add_work_options(p)
    p.add_argument("--out", metavar="DIR")
    p.add_argument("--resume", action="store_true", help="go on with what --out lacks")
    p.add_argument("--quiet", action="store_true")
    p.add_argument("--json", action="store_true", help="the comparison on standard output")
    p.add_argument("--markdown", action="store_true", help="a comment for a pull request on standard output")
    return p


def _run(side: str, index: int, pairs: dict[str, str], options: Any) -> tuple[Path, int]:
    """Run the network that stands for a side: the folder, and the status it ended with."""
    folder = Path(options.out) / "ab"[index]
    layers = tuple(dict.fromkeys(pairs.values() if index else pairs))
    model, _, weights = side.partition("=")
    request = Request(
        model=model,
        weights=weights or None,
        layer=layers,
        image=tuple(options.image),
        **prior_and_work(options),
    )
    return folder, carry_out(request, folder, options.resume, options.quiet, again="--resume")


def _pair(text: str) -> tuple[str, str]:
    a, _, b = text.partition("=")
    return a, b or a


def _tell(judgements: list[Judgement]) -> int:
    """Say on standard error what --fail-if found, noise floors first; 1 where one has failed."""
    for judgement in judgements:
        for floor in judgement.floors:
            print(f"invert: {floor}", file=sys.stderr)
    for judgement in judgements:
        for failure in judgement.failures:
            print(f"invert: --fail-if {judgement.threshold.text!r}: {failure}", file=sys.stderr)
    return 1 if any(judgement.failures for judgement in judgements) else 0


def _print(comparison: Comparison, found: Verdict) -> None:
    console = Console()
    console = console if console.is_terminal else Console(width=200)
    first, *rest = found.lines
    console.print(Text(first, style="bold red" if found.changed else "bold"))
    for line in rest:
        console.print(Text(line))
    for caution in found.cautions:
        console.print(Text(f"! {caution}", style="yellow"))
    table = Table("layer", "prior", *SHOWN, title="A to B (change)", title_justify="left")
    for row in comparison.rows:
        cells = [_cell(row.changes.get(name)) for name in SHOWN]
        table.add_row(Text(row.name), Text(row.a.prior), *cells)
    console.print(table)
    if found.looked_at:
        console.print(Text(f"* beyond noise, {found.beyond}", style="dim"))


def _cell(change: Change | None) -> Text:
    """`0.81 to 0.32 (−0.49 ± 0.05)`; marked, and red where it is worse, only beyond noise."""
    if change is None or change.a is None or change.b is None:
        return Text("–")
    noise = "" if change.noise is None else f" ± {change.noise.half_width():.2g}"
    text = f"{change.a:.3g} to {change.b:.3g} ({change.b - change.a:+.2g}{noise})".replace("-", "−")
    if not change.beyond_noise:
        return Text(text)
    return Text(f"{text} *", style="bold red" if change.worse else "bold green")
