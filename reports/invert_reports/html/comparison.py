"""`OUT/comparison.html`: two networks or two checkpoints, layer by layer, in the page's style."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from invert.errors import RequestError
from invert.files import write_whole
from invert.report import Record, Report, read_report
from invert_reports.files import Json, inside, read_json
from invert_reports.html.charts import Panel, Series
from invert_reports.html.numbers import SHARES, facet_label, facets, number, percent, short
from invert_reports.html.page import HERE, environment, policy
from invert_reports.html.pictures import png_uri

PAGE = "comparison.html"


def write_comparison(out: Path, folder_a: Path, folder_b: Path) -> Path:
    """Render `out/comparison.json`, and the pictures of the two runs, to `out/comparison.html`."""
    comparison = read_json(out, "comparison.json")
    sides = [Side(folder, read_report(folder)) for folder in (folder_a, folder_b)]
    style = (HERE / "style.css").read_text(encoding="utf-8")
    page = (
        environment()
        .get_template("comparison.html")
        .render(
            comparison=comparison,
            rows=[Row(row, sides) for row in comparison["rows"]],
            panels=panels(comparison["rows"]),
            photos=[(image["name"], sides[0].picture(image["file"])) for image in comparison["images"]],
            style=Markup(style),
            policy=policy(style),
        )
    )
    return write_whole(out / PAGE, page.encode("utf-8"))


@dataclass(frozen=True)
class Side:
    """One of the two runs: its folder, and its report."""

    folder: Path
    report: Report

    def picture(self, name: str | None) -> str | None:
        """A PNG that the report names, as a data URL."""
        file = inside(self.folder, name)
        if file is None:
            return None
        try:
            return png_uri(file)
        except RequestError:
            return None

    def first(self, ids: list[str]) -> Record | None:
        runs = {run.id: run for run in self.report.runs}
        return next((runs[i] for i in ids if i in runs and runs[i].error is None), None)


class Row:
    """A layer and prior, in A and in B."""

    def __init__(self, row: Json, sides: list[Side]) -> None:
        self.row = row
        same = row["layer"] == row["layer_b"]
        self.name = row["layer"] if same else f"{row['layer']} in A, {row['layer_b']} in B"
        self.prior = row["prior"]
        runs = [side.first(row[ids]) for side, ids in zip(sides, ("runs_a", "runs_b"), strict=True)]
        self.pictures = [
            side.picture(run.files.image) if run else None for side, run in zip(sides, runs, strict=True)
        ]
        self.seed = next((run.seed for run in runs if run), None)
        self.readings = [row["reading_a"], row["reading_b"]]
        self.changes = [Change(facet, row) for facet in facets(row["a"])]
        self.errors = [short(row[side].get("feature_error")) for side in ("a", "b")]


class Change:
    """The shares of a facet in A and in B."""

    def __init__(self, facet: str, row: Json) -> None:
        self.label = facet_label(facet)
        self.shares = [[number(row[side].get(f"{name}.{facet}")) for name in SHARES] for side in ("a", "b")]
        self.kept = [percent(shares[0]) for shares in self.shares]
        change = number(row["change"].get(f"kept.{facet}"))
        self.told = "–" if change is None else f"{100 * change:+.0f} points".replace("-", "−")
        self.fell = change is not None and change <= -0.05


def panels(rows: list[Json]) -> list[Panel]:
    """Kept against depth in A and in B: a panel a prior and facet."""
    made = []
    for prior in dict.fromkeys(row["prior"] for row in rows):
        of_prior = [row for row in rows if row["prior"] == prior]
        for facet in facets(of_prior[0]["a"]):
            lines = [
                Series(side.upper(), [number(row[side].get(f"kept.{facet}")) for row in of_prior])
                for side in ("a", "b")
            ]
            layers = [row["layer"] for row in of_prior]
            made.append(Panel(f"{facet_label(facet)}, {prior}", layers, lines, share=True))
    return made
