"""A report put in order for showing: one study a network, its layers as rows, its priors as columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from invert.report import LayerRow, Posed, Record, Report, ReportedPhoto, ReportedSubject


@dataclass(frozen=True)
class Column:
    """A prior; of one source alone where merged reports ran it on the same crossings."""

    prior: str
    source: str | None = None

    @property
    def label(self) -> str:
        return self.prior if self.source is None else f"{self.prior} · {self.source}"

    def holds(self, entry: Record | LayerRow) -> bool:
        """Whether a run or a layer's row belongs here."""
        return entry.prior == self.prior and self.source in (None, entry.source)


@dataclass
class Crossing:
    """What one prior gave for one layer or one target: its runs, and the row that sums them up."""

    key: str
    column: Column
    runs: list[Record]
    summary: LayerRow = field(default_factory=LayerRow)


@dataclass
class Row:
    """A layer (feature inversion), or a class or unit (activation maximisation)."""

    key: str
    name: str
    crossings: list[Crossing]
    facts: LayerRow = field(default_factory=LayerRow)

    @property
    def runs(self) -> list[Record]:
        return [run for crossing in self.crossings for run in crossing.runs]

    @property
    def posed(self) -> Posed | None:
        """The objective that was asked for by name, where it is no layer's, class's or unit's."""
        return next((run.posed for run in self.runs if run.posed is not None), self.facts.posed)


@dataclass
class NetworkStudy:
    """Everything a report holds about one network."""

    key: str
    subject: ReportedSubject
    photos: list[ReportedPhoto]
    seeds: list[int]
    columns: list[Column]
    rows: list[Row]
    gallery_columns: list[Column]
    gallery: list[Row]

    def crossings(self) -> list[Crossing]:
        return [crossing for row in (*self.rows, *self.gallery) for crossing in row.crossings]


def studies(report: Report) -> list[NetworkStudy]:
    """One study for each network in the report, in the order of its sources."""
    subjects = _subjects(report)
    return [_study(f"n{n}", subject, members, report) for n, (subject, members) in enumerate(subjects)]


def _subjects(report: Report) -> list[tuple[ReportedSubject, set[str | None]]]:
    """The networks, each with the names of its sources (None: the report was not merged)."""
    if not report.sources:
        return [(report.network, {None})]
    found: list[tuple[ReportedSubject, set[str | None]]] = []
    for source in report.sources:
        for known, members in found:
            if _identity(known) == _identity(source.network):
                members.add(source.name)
                break
        else:
            found.append((source.network, {source.name}))
    return found


def _identity(subject: ReportedSubject) -> tuple[object, ...]:
    return subject.model, subject.sha256, subject.input.shape, subject.input.mean, subject.input.std


def _study(key: str, subject: ReportedSubject, members: set[str | None], report: Report) -> NetworkStudy:
    runs = [run for run in report.runs if run.source in members]
    summaries = [row for row in report.layers if row.source in members]
    inversions = [run for run in runs if run.objective == "feature"]
    maximisations = [run for run in runs if run.objective != "feature"]
    of_inversions = {run.id for run in inversions}
    summaries = [row for row in summaries if not row.runs or of_inversions & set(row.runs)]

    used = {run.image for run in inversions}
    columns = _columns([*inversions, *summaries], inversions)
    gallery_columns = _columns(maximisations, maximisations)
    return NetworkStudy(
        key=key,
        subject=subject,
        photos=[photo for photo in report.images if photo.id in used or members == {None}],
        seeds=sorted({run.seed for run in inversions}),
        columns=columns,
        rows=_layer_rows(key, columns, inversions, summaries),
        gallery_columns=gallery_columns,
        gallery=_target_rows(key, gallery_columns, maximisations),
    )


def _columns(entries: Iterable[Record | LayerRow], runs: list[Record]) -> list[Column]:
    """A column a prior, split by source where two sources have the same row, or other settings.

    A row's numbers are of its own runs alone. Seeds or photos of another report beside them in one crossing
    would be taken for a part of them.
    """
    seen: dict[tuple[object, ...], str | None] = {}
    settings: dict[str, tuple[str | None, object]] = {}
    clashing = set()
    for run in runs:
        row = (run.prior, run.layer, run.target, None if run.objective == "feature" else run.seed)
        source, known = settings.setdefault(run.prior, (run.source, run.settings))
        if seen.setdefault(row, run.source) != run.source or (source != run.source and known != run.settings):
            clashing.add(run.prior)
    found: dict[Column, None] = {}
    for entry in entries:
        found.setdefault(Column(entry.prior, entry.source if entry.prior in clashing else None))
    return list(found)


def _layer_rows(key: str, columns: list[Column], runs: list[Record], summaries: list[LayerRow]) -> list[Row]:
    facts: dict[str, LayerRow] = {}
    for summary in sorted(summaries, key=lambda row: row.depth):
        facts.setdefault(summary.layer, summary)
    for run in runs:
        facts.setdefault(run.layer or "", LayerRow())

    rows = []
    for r, (layer, known) in enumerate(facts.items()):
        crossings = []
        for c, column in enumerate(columns):
            mine = [run for run in runs if (run.layer or "") == layer and column.holds(run)]
            sums = [row for row in summaries if row.layer == layer and column.holds(row)]
            crossings.append(Crossing(f"{key}-l{r}-{c}", column, mine, *sums[:1]))
        rows.append(Row(f"{key}-l{r}", layer, crossings, known))
    return rows


def _target_rows(key: str, columns: list[Column], runs: list[Record]) -> list[Row]:
    targets: dict[str, list[Record]] = {}
    for run in runs:
        targets.setdefault(target_name(run), []).append(run)
    return [
        Row(
            f"{key}-t{t}",
            name,
            [
                Crossing(f"{key}-t{t}-{c}", column, [run for run in members if column.holds(run)])
                for c, column in enumerate(columns)
            ],
        )
        for t, (name, members) in enumerate(targets.items())
    ]


def target_name(run: Record) -> str:
    """`zebra` for a class, `conv4:17` for a unit."""
    target = run.target or ""
    return f"{run.layer}:{target}" if run.objective == "unit" and run.layer else target


def titles(networks: Sequence[tuple[str, str | None]]) -> list[str]:
    """What tells networks apart, each its name and its weights: checkpoints of one by their files."""
    if len({model for model, _ in networks}) > 1 or len(set(networks)) == 1:
        return [model or "the network" for model, _ in networks]
    files = [PurePath((weights or "").removeprefix("file ")).name for _, weights in networks]
    if len(set(files)) == len(files):
        return [file or networks[0][0] or "the network" for file in files]
    return [weights or model or "the network" for model, weights in networks]
