"""`OUT/comparison.html`: two networks or two checkpoints, layer by layer, in the page's style."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from invert.errors import RequestError
from invert.files import write_whole
from invert.report import Record, Report, read_report
from invert_reports.files import Json, inside, read_json
from invert_reports.html.bars import is_unmatched
from invert_reports.html.charts import Panel, Series
from invert_reports.html.numbers import SHARES, clipped, facet_label, facets, in_order, number, percent, short
from invert_reports.html.page import HERE, environment, policy
from invert_reports.html.pictures import png_uri
from invert_reports.study import titles

PAGE = "comparison.html"


def write_comparison(out: Path, folder_a: Path, folder_b: Path) -> Path:
    """Render `out/comparison.json`, and the pictures of the two runs, to `out/comparison.html`."""
    comparison = read_json(out, "comparison.json")
    sides = [Side(folder, read_report(folder)) for folder in (folder_a, folder_b)]
    style = (HERE / "style.css").read_text(encoding="utf-8")
    rows = [Row(row, sides, comparison["measures"]) for row in comparison["rows"]]
    page = (
        environment()
        .get_template("comparison.html")
        .render(
            comparison=comparison,
            titles=titles([_network(comparison[side]) for side in ("a", "b")]),
            rows=rows,
            panels=panels(rows),
            photos=[(image["name"], sides[0].picture(image["file"])) for image in comparison["images"]],
            verdict=comparison["verdict"],
            thresholds=comparison["fail_if"],
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

    def photo(self, run: Record | None) -> list[str]:
        """The name of a run's photo, if it is known."""
        return [photo.name for photo in self.report.images if run and photo.id == run.image]

    def is_matched(self, layer: str, prior: str) -> bool:
        """Whether the layer is matched well enough for what comes back to be read."""
        rows = [row for row in self.report.layers if (row.layer, row.prior) == (layer, prior)]
        return not any(is_unmatched(row.match) for row in rows)


class Row:
    """A layer and prior, in A and in B."""

    def __init__(self, row: Json, sides: list[Side], measures: Json) -> None:
        self.row = row
        layers = zip(sides, (row["layer"], row["layer_b"]), strict=True)
        self.matched = [side.is_matched(layer, row["prior"]) for side, layer in layers]
        code = number(row["code_change"])
        self.code = "" if code is None else f"code differs by {short(code)}" if code else "same code"
        same = row["layer"] == row["layer_b"]
        self.name = row["layer"] if same else f"{row['layer']} in A, {row['layer_b']} in B"
        self.prior = row["prior"]
        runs = [side.first(row[ids]) for side, ids in zip(sides, ("runs_a", "runs_b"), strict=True)]
        self.pictures = [
            side.picture(run.files.image) if run else None for side, run in zip(sides, runs, strict=True)
        ]
        seeds = [f"seed {run.seed} in {label}" for run, label in zip(runs, "AB", strict=True) if run]
        self.shown = ", ".join([*sides[0].photo(runs[0]), *seeds])
        self.over = f"{row['photos']} photo{'s' if row['photos'] != 1 else ''}, {_seeds(row)} seeds"
        self.readings = [row["reading_a"], row["reading_b"]]
        self.changes = [
            Change(row, f"kept.{facet}", facet_label(facet), facet)
            for facet in in_order({*facets(row["a"]), *facets(row["b"])})
        ]
        self.others = [
            Change(
                row,
                name,
                _label(name, measures),
                clips="share" in str((measures.get(name) or {}).get("unit")),
            )
            for name in row["a"]
            if name in row["change"] and (measures.get(name) or {}).get("better", "neither") != "neither"
        ]
        self.tells_noise = any(change.noise for change in self.changes)
        self.errors = [short(row[side].get("feature_error")) for side in ("a", "b")]

    def kept(self, side: str, facet: str) -> float | None:
        """None, too, where the layer is not matched well enough for it to be read."""
        return number(self.row[side].get(f"kept.{facet}")) if self.matched["ab".index(side)] else None


class Change:
    """A number in A and in B, and its change: in words, with its interval, and whether it is beyond noise."""

    def __init__(
        self, row: Json, name: str, label: str, facet: str | None = None, clips: bool = True
    ) -> None:
        self.label = label
        self.is_share = facet is not None
        self.clips = clips
        self.shares = [[number(row[side].get(f"{share}.{facet}")) for share in SHARES] for side in ("a", "b")]
        self.values = [self._text(number(row[side].get(name))) for side in ("a", "b")]
        change = number(row["change"].get(name))
        self.digits = 0 if change is not None and abs(change) >= 0.0995 else 1
        self.told = self._signed(change)
        if self.is_share and change:
            self.told += " points"
        self.noise = self._range(row["interval"].get(name))
        self.over_photos = self._range(row["over_photos"].get(name))
        self.mark = ("fell" if name in row["worse"] else "rose") if name in row["beyond_noise"] else ""

    def _text(self, value: float | None) -> str:
        if self.clips and value is not None:  # an estimate of a share may lie a little outside of 0 to 1
            value = clipped(value)
        return percent(value) if self.is_share else short(value)

    def _signed(self, value: float | None) -> str:
        if value is None:
            return "–"
        if value == 0:
            return "0"
        if self.is_share:
            return f"{100 * value:+.{self.digits}f}".replace("-", "−")
        return short(value) if value < 0 else f"+{short(value)}"

    def _range(self, interval: list[float] | None) -> str:
        if interval is None or interval[0] == interval[1]:
            return ""
        return f"{self._signed(interval[0])} to {self._signed(interval[1])}"


def _network(side: Json) -> tuple[str, str | None]:
    return side["subject"]["model"], side["subject"]["weights"]


def _seeds(row: Json) -> str:
    a, b = row["seeds"], row["seeds_b"]
    return str(a) if a == b else f"{a} and {b}"


def _label(name: str, measures: Json) -> str:
    about = measures.get(name) or {}
    return str(about.get("short") or about.get("title") or name)


def panels(rows: list[Row]) -> list[Panel]:
    """Kept against depth in A and in B, where it can be read: a panel a prior and facet."""
    made = []
    for prior in dict.fromkeys(row.prior for row in rows):
        of_prior = [row for row in rows if row.prior == prior]
        for facet in facets(of_prior[0].row["a"]):
            lines = [Series(side.upper(), [row.kept(side, facet) for row in of_prior]) for side in ("a", "b")]
            layers = [row.row["layer"] for row in of_prior]
            if any(value is not None for line in lines for value in line.values):
                made.append(Panel(f"{facet_label(facet)}, {prior}", layers, lines, share=True))
    return made
