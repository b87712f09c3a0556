"""A report put in order for showing: one study a network, its layers as rows, its priors as columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from invert_reports.files import Json


@dataclass(frozen=True)
class Column:
    """A prior; of one source alone where merged reports ran it on the same cells."""

    prior: str
    source: str | None = None

    @property
    def label(self) -> str:
        return self.prior if self.source is None else f"{self.prior} · {self.source}"

    def holds(self, entry: Json) -> bool:
        """Whether a run or a layer's row belongs here."""
        return entry.get("prior") == self.prior and self.source in (None, entry.get("source"))


@dataclass
class Cell:
    """What one prior gave for one layer or one target: its runs, and the row that sums them up."""

    key: str
    column: Column
    runs: list[Json]
    summary: Json = field(default_factory=dict)


@dataclass
class Row:
    """A layer (feature inversion), or a class or unit (activation maximisation)."""

    key: str
    name: str
    facts: Json
    cells: list[Cell]


@dataclass
class Study:
    """Everything a report holds about one network."""

    key: str
    subject: Json
    photos: list[Json]
    seeds: list[int]
    columns: list[Column]
    rows: list[Row]
    gallery_columns: list[Column]
    gallery: list[Row]

    def cells(self) -> list[Cell]:
        return [cell for row in (*self.rows, *self.gallery) for cell in row.cells]


def studies(report: Json) -> list[Study]:
    """One study for each network in the report, in the order of its sources."""
    subjects = _subjects(report)
    return [_study(f"n{n}", subject, members, report) for n, (subject, members) in enumerate(subjects)]


def _subjects(report: Json) -> list[tuple[Json, set[str | None]]]:
    """The networks, each with the names of its sources (None: the report was not merged)."""
    sources = report.get("sources")
    if not sources:
        return [(_mapping(report.get("subject")), {None})]
    found: list[tuple[Json, set[str | None]]] = []
    for source in sources:
        subject = _mapping(source.get("subject"))
        for known, members in found:
            if _identity(known) == _identity(subject):
                members.add(source.get("name"))
                break
        else:
            found.append((subject, {source.get("name")}))
    return found


def _identity(subject: Json) -> tuple[str, ...]:
    return tuple(repr(subject.get(part)) for part in ("model", "sha256", "input"))


def _study(key: str, subject: Json, members: set[str | None], report: Json) -> Study:
    runs = [run for run in report["runs"] if isinstance(run, dict) and run.get("source") in members]
    summaries = [row for row in _list(report.get("layers")) if row.get("source") in members]
    inversions = [run for run in runs if run.get("objective") == "feature"]
    maximisations = [run for run in runs if run.get("objective") != "feature"]
    of_inversions = {run.get("id") for run in inversions}
    summaries = [row for row in summaries if not row.get("runs") or of_inversions & set(row["runs"])]

    used = {run.get("image") for run in inversions}
    columns = _columns([*inversions, *summaries], inversions)
    gallery_columns = _columns(maximisations, maximisations)
    return Study(
        key=key,
        subject=subject,
        photos=[p for p in _list(report.get("images")) if p.get("id") in used or members == {None}],
        seeds=sorted({run["seed"] for run in inversions if isinstance(run.get("seed"), int)}),
        columns=columns,
        rows=_layer_rows(key, columns, inversions, summaries),
        gallery_columns=gallery_columns,
        gallery=_target_rows(key, gallery_columns, maximisations),
    )


def _columns(entries: Iterable[Json], runs: list[Json]) -> list[Column]:
    """A column a prior, split by source where two sources ran the same cell."""
    seen: dict[tuple[Any, ...], Any] = {}
    clashing = set()
    for run in runs:
        problem = tuple(run.get(part) for part in ("prior", "layer", "target", "image", "seed"))
        if seen.setdefault(problem, run.get("source")) != run.get("source"):
            clashing.add(run.get("prior"))
    found: dict[Column, None] = {}
    for entry in entries:
        prior = entry.get("prior")
        found.setdefault(Column(str(prior), entry.get("source") if prior in clashing else None))
    return list(found)


def _layer_rows(key: str, columns: list[Column], runs: list[Json], summaries: list[Json]) -> list[Row]:
    facts: dict[str, Json] = {}
    for summary in sorted(summaries, key=lambda row: row.get("depth") or 0):
        facts.setdefault(str(summary.get("layer")), summary)
    for run in runs:
        facts.setdefault(str(run.get("layer")), {})

    rows = []
    for r, (layer, known) in enumerate(facts.items()):
        cells = []
        for c, column in enumerate(columns):
            mine = [run for run in runs if str(run.get("layer")) == layer and column.holds(run)]
            sums = [row for row in summaries if str(row.get("layer")) == layer and column.holds(row)]
            cells.append(Cell(f"{key}-l{r}-{c}", column, mine, sums[0] if sums else {}))
        rows.append(Row(f"{key}-l{r}", layer, known, cells))
    return rows


def _target_rows(key: str, columns: list[Column], runs: list[Json]) -> list[Row]:
    targets: dict[str, list[Json]] = {}
    for run in runs:
        targets.setdefault(target_name(run), []).append(run)
    return [
        Row(
            f"{key}-t{t}",
            name,
            {"objective": members[0].get("objective"), "target_index": members[0].get("target_index")},
            [
                Cell(f"{key}-t{t}-{c}", column, [run for run in members if column.holds(run)])
                for c, column in enumerate(columns)
            ],
        )
        for t, (name, members) in enumerate(targets.items())
    ]


def target_name(run: Json) -> str:
    """`zebra` for a class, `conv4:17` for a unit."""
    if run.get("objective") == "unit" and run.get("layer"):
        return f"{run['layer']}:{run.get('target')}"
    return str(run.get("target"))


def _mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Json]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
