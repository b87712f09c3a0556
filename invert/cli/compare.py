"""`invert compare A B`: what changed in what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import invert_reports
from invert.cli.arguments import Parser, add_options, parser
from invert.cli.study import Output
from invert.cli.terminal import say, show_table, tell
from invert.errors import RequestError
from invert.files import write_json
from invert.report import read_report
from invert.sweeps.compare import Threshold
from invert.sweeps.compare import compare as compared
from invert.sweeps.options import AUTO, NAMES, read
from invert.sweeps.request import Request
from invert.typed_json import to_json

ASKED = ("image", "prior", "settings", "steps", "seeds", "until", "patience", "device", "precision")
"""The options of a study that both sides share."""

SHOWN = (
    "feature_error",
    "kept.luminance",
    "kept.colour",
    "kept.cycles.1-4",
    "kept.cycles.8-16",
    "place_kept",
)


def compare(words: list[str]) -> int:
    """Status 0, or 1 where a run failed or a `--fail-if` came true, or 130 where it was interrupted."""
    options = _parser().parse_args(words)
    if getattr(options, "until", None) == AUTO:
        raise RequestError(
            "--until auto finds one error a layer in one network: run each side with it, then compare "
            "them with --until E at the larger of the two"
        )
    thresholds = [Threshold.parse(text) for text in options.fail_if]
    sides = (options.a, options.b)
    folders = [Path(side) if (Path(side) / "report.json").is_file() else None for side in sides]
    output = read(Output, vars(options))
    if output.out is None and None in folders:
        raise RequestError("networks are run before they are compared: say where with --out DIR")
    pairs = dict(_pair(text) for text in options.layer)
    out = Path(output.out) if output.out else None
    found: list[dict[str, Any]] = []
    for index, (side, folder) in enumerate(zip(sides, folders, strict=True)):
        if folder is None:
            assert out is not None
            folder = out / "ab"[index]
            layers = tuple(dict.fromkeys(pairs.values() if index else pairs))
            from invert.cli.carry_out import carry_out  # torch, which takes seconds

            request = _request(side, layers, vars(options))
            status = carry_out(request, folder, bool(output.resume), output.quiet, again="--resume")
            if status:
                return status
        found.append(_report(folder))
    comparison = compared(found[0], found[1], pairs)
    _print_table(comparison)
    if out is not None:
        write_json(out / "comparison.json", comparison)
        say(f"comparison: {invert_reports.write_comparison(out, *_folders(out, folders))}")
    broken = [line for threshold in thresholds for line in threshold.broken_by(comparison["rows"])]
    for line in broken:
        tell(f"--fail-if: {line}")
    return 1 if broken else 0


def _parser() -> Parser:
    p = parser("compare", "Two networks or two checkpoints, the same photos and layers: what changed.")
    p.add_argument("a", metavar="A", help="a folder that `invert` wrote, or MODEL or MODEL=WEIGHTS to run")
    p.add_argument("b", metavar="B", help="the same, to set against A")
    p.add_argument("--layer", type=NAMES.read, default=("all",), metavar="NAMES",
                   help="layers to compare, NAME or NAME_IN_A=NAME_IN_B (default: all)")  # fmt: skip
    p.add_argument("--fail-if", action="append", default=[], metavar="THRESHOLD",
                   help='such as "layer fc6 kept.luminance < -0.05"; status 1 if so')  # fmt: skip
    add_options(p, Request, ASKED)
    add_options(p, Output, ("out", "quiet"))
    p.add_argument("--resume", action="store_true", help="go on with what --out lacks")
    return p


def _request(side: str, layers: tuple[str, ...], said: dict[str, Any]) -> Request:
    model, _, weights = side.partition("=")
    return read(Request, said, model=model, weights=weights or None, layer=layers)


def _pair(text: str) -> tuple[str, str]:
    a, _, b = text.partition("=")
    return a, b or a


def _report(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = to_json(read_report(folder))
    return report


def _folders(out: Path, folders: list[Path | None]) -> tuple[Path, Path]:
    a, b = (folder or out / "ab"[index] for index, folder in enumerate(folders))
    return a, b


def _print_table(comparison: dict[str, Any]) -> None:
    rows = []
    for row in comparison["rows"]:
        layer = row["layer"] if row["layer"] == row["layer_b"] else f"{row['layer']} = {row['layer_b']}"
        rows.append((layer, row["prior"], *(_change(row, name) for name in SHOWN)))
    show_table(("layer", "prior", *SHOWN), rows, title="A to B (change)")


def _change(row: dict[str, Any], name: str) -> str:
    if name not in row["change"]:
        return "–"
    return f"{row['a'][name]:.3g} to {row['b'][name]:.3g} ({row['change'][name]:+.2g})"
