"""The chart above the grid: kept against depth where it was measured, else what single runs tell."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from invert_reports.html.charts import Panel, Series
from invert_reports.html.numbers import describe, facet_label, facet_of, facets, hint, in_order, number
from invert_reports.study import Cell, Study

FALLBACK = ("feature_error", "psnr", "ssim", "same_top1")
MOST_PANELS = 4


def panels(study: Study, measures: Mapping[str, Any]) -> list[Panel]:
    """Kept by facet; without kept measures (one seed), up to four numbers that single runs have."""
    if len(study.rows) < 2:
        return []
    cells = [cell for row in study.rows for cell in row.cells]
    kept = in_order({facet for cell in cells for facet in facets(cell.summary.get("measures") or {})})
    if kept:
        return [
            _panel(study, f"kept.{facet}", measures, title=facet_label(facet).capitalize(), share=True)
            for facet in kept
        ]
    drawn = [_panel(study, name, measures, title=None) for name in _fallback(study, measures)]
    return [panel for panel in drawn if any(v is not None for s in panel.series for v in s.values)]


def row_number(cell: Cell, name: str) -> float | None:
    """A number of a layer and prior: from its row, else the mean over its runs."""
    known = number((cell.summary.get("measures") or {}).get(name))
    values = run_numbers(cell, name)
    return known if known is not None else fmean(values) if values else None


def run_numbers(cell: Cell, name: str) -> list[float]:
    """A number of each of a cell's runs that has it."""
    found = [
        number(run.get(name) if name == "feature_error" else (run.get("measures") or {}).get(name))
        for run in cell.runs
    ]
    return [value for value in found if value is not None]


def _fallback(study: Study, measures: Mapping[str, Any]) -> list[str]:
    """The usual numbers first, then others that have a better direction."""
    here = {name for cell in study.cells() for run in cell.runs for name in run.get("measures") or {}}
    here |= {name for row in study.rows for cell in row.cells for name in cell.summary.get("measures") or {}}
    here.add("feature_error")
    first = [name for name in FALLBACK if name in here]
    directed = (
        name for name, known in measures.items() if (known or {}).get("better") in ("higher", "lower")
    )
    rest = [name for name in directed if name in here and name not in first and not facet_of(name)]
    return [*first, *rest][:MOST_PANELS]


def _panel(
    study: Study, name: str, measures: Mapping[str, Any], *, title: str | None, share: bool = False
) -> Panel:
    known = describe(name, measures)
    low, high = [*((measures.get(name) or {}).get("range") or [None, None]), None, None][:2]
    series = []
    for c, column in enumerate(study.columns):
        cells = [row.cells[c] for row in study.rows]
        series.append(
            Series(
                name=column.label,
                values=[row_number(cell, name) for cell in cells],
                spread=[number((cell.summary.get("spread") or {}).get(name)) for cell in cells],
                dots=[] if share else [run_numbers(cell, name) for cell in cells],
            )
        )
    unit = "" if share or known["unit"] in ("ratio", known["title"]) else known["unit"]
    return Panel(
        title=title or known["label"][:1].upper() + known["label"][1:],
        layers=[row.name for row in study.rows],
        series=series,
        note="" if share else ", ".join(part for part in (unit, known["better"]) if part),
        hint=hint(known),
        limits=(number(low), number(high)),
        log=name == "feature_error",
        share=share,
    )
