"""What the layers of alexnet-mini keep, with the two controls: the study behind docs/what-layers-keep.md.

    python benchmarks/what_layers_keep.py ../shared/photos/val OUT > docs/tables/what-layers-keep.md

Takes the first photo of each of eight classes, four seeds and the priors dip and tv, every run
stopped at a feature error of 0.05; then tv again, on trained and on random weights. About half an
hour on two cores; run again with the same OUT it goes on where it was left off.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from invert.cli.carry_out import carry_out
from invert.files import read_json
from invert.sweeps.request import Request

LAYERS = ("relu1", "relu2", "relu3", "relu5", "fc6")
FACETS = ("luminance", "colour", "cycles.1-4", "cycles.4-8", "cycles.8-16", "cycles.16-32", "cycles.32-64")
FINE = FACETS[4:]

Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path, help="a folder of class folders")
    parser.add_argument("out", type=Path)
    parser.add_argument("--classes", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    classes = sorted(folder for folder in options.photos.iterdir() if folder.is_dir())[: options.classes]
    images = tuple(str(min(folder.iterdir())) for folder in classes)
    study = sweep(options.out / "study", images, ("dip", "tv"), options.seeds, options.steps)
    controls = sweep(options.out / "controls", images[:4], ("tv",), 2, options.steps, controls=True)
    print(page(study, controls, options, [folder.name for folder in classes]))


def sweep(
    out: Path,
    images: tuple[str, ...],
    priors: tuple[str, ...],
    seeds: int,
    steps: int,
    controls: bool = False,
) -> list[Row]:
    """The rows of one run of the tool, resumed where it was left off."""
    request = Request(
        model="alexnet-mini",
        layer=LAYERS,
        prior=priors,
        image=images,
        seeds=tuple(range(seeds)),
        steps=steps,
        until=0.05,
        controls=controls,
    )
    with contextlib.redirect_stdout(sys.stderr):
        status = carry_out(request, out, resume=True, quiet=False)
    if status:
        raise SystemExit("the runs did not end well; the same command goes on")
    report = read_json(out / "report.json")
    assert report is not None
    rows: list[Row] = report["layers"]
    reached = {run["id"]: run["reached"] for run in report["runs"]}
    for row in rows:
        row["reached"] = sum(bool(reached[i]) for i in row["runs"]) / len(row["runs"])
        of_random = [run for run in report["controls"] if run["layer"] == row["layer"]]
        row["random matched"] = all(run["match"]["enough"] for run in of_random)
    return rows


def page(study: list[Row], controls: list[Row], options: argparse.Namespace, classes: list[str]) -> str:
    """The document: a table of the study, and one of the controls."""
    lines = [
        "Made by `python benchmarks/what_layers_keep.py ../shared/photos/val OUT "
        "> docs/tables/what-layers-keep.md`: "
        f"the first validation photo of each of {len(classes)} classes "
        f"({', '.join(classes)}), "
        f"{options.seeds} seeds, at most {options.steps} steps, each run stopped at a feature error of 0.05 "
        "(`reached` is the share of runs that got there). The shares are pooled over photos; "
        "[measures](/measures.md) says how to read them.",
        "",
        "## Kept / invented / free",
        "",
        "In hundredths of what the inversions show of each facet, pooled over photos and seeds and clipped "
        "to 0 to 100; – where they show nothing.",
        "",
        *table(
            ["layer, prior", "reached", *FACETS],
            [
                [f"{r['layer']}, {r['prior']}", f"{r['reached']:.2f}", *(split(r, f) for f in FACETS)]
                for r in study
            ],
        ),
        "",
        "## Beside them",
        "",
        *table(
            [
                "layer, prior",
                "share of the input's numbers",
                "place kept, px (chance)",
                "outlines kept",
                "identity kept",
                "same top-1",
                "reading",
            ],
            [
                [
                    f"{r['layer']}, {r['prior']}",
                    f"{r['share']:.3f}",
                    f"{number(r, 'place_kept', 0)} ({number(r, 'place_chance', 0)})",
                    share(r["measures"].get("edges_kept")),
                    number(r, "identity_kept"),
                    number(r, "same_top1"),
                    r["reading"] or "–",
                ]
                for r in study
            ],
        ),
        "",
        "## Controls",
        "",
        "Kept under another photo's code: what the measure says where nothing is right. The largest over "
        "the octaves of 8 cycles and more, and over luminance and colour.",
        "",
        *table(
            ["layer, prior", "8 cycles and more", "luminance", "colour"],
            [
                [
                    f"{r['layer']}, {r['prior']}",
                    f"{largest(other(r), FINE):.3f}",
                    f"{largest(other(r), FACETS[:1]):.3f}",
                    f"{largest(other(r), FACETS[1:2]):.3f}",
                ]
                for r in study
            ],
        ),
        "",
        "Random weights against the trained ones, prior tv, 4 of the photos, 2 seeds: kept; – where the "
        "error of 0.05 is no match for random weights, to which unlike pictures look more alike (less than "
        "10 dB below the error between those).",
        "",
        *table(
            ["layer", *(f"{facet}: trained, random" for facet in FACETS[:2] + FACETS[4:6])],
            [
                [
                    r["layer"],
                    *(
                        f"{share(r['measures'].get(f'kept.{f}'))}, {of_random(r, f)}"
                        for f in FACETS[:2] + FACETS[4:6]
                    ),
                ]
                for r in controls
            ],
        ),
    ]
    return "\n".join(lines)


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def split(row: Row, facet: str) -> str:
    shares = [row["measures"].get(f"{name}.{facet}") for name in ("kept", "invented", "free")]
    return " / ".join("–" if s is None else f"{round(100 * clipped(s))}" for s in shares)


def share(value: float | None) -> str:
    return "–" if value is None else f"{clipped(value):.2f}"


def clipped(value: float) -> float:
    """Estimates of shares may lie a little outside of 0 to 1: where people read them, they do not."""
    return min(max(value, 0.0), 1.0)


def number(row: Row, name: str, digits: int = 2) -> str:
    value = row["measures"].get(name)
    return "–" if value is None else f"{value:.{digits}f}"


def other(row: Row) -> Row:
    control: Row = row["controls"]["another photo"]
    return control


def of_random(row: Row, facet: str) -> str:
    if not row["random matched"]:
        return "–"
    return share(row["controls"].get("random weights", {}).get(f"kept.{facet}"))


def largest(measures: Row, facets: tuple[str, ...]) -> float:
    return max((measures.get(f"kept.{facet}") or 0.0 for facet in facets), default=0.0)


if __name__ == "__main__":
    main()
