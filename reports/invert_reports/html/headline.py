"""The chart above the grid: kept against depth where it was measured, else what single runs tell."""

from __future__ import annotations

from statistics import fmean

from invert_reports.html.bars import is_unmatched
from invert_reports.html.charts import Panel, Series
from invert_reports.html.numbers import SHARES, facet_label, facets, in_order
from invert_reports.html.vocabulary import OWN, Vocabulary
from invert_reports.study import Crossing, NetworkStudy, Row

MOST_PANELS = 4


def panels(study: NetworkStudy, vocabulary: Vocabulary) -> list[Panel]:
    """Kept by facet, of the rows that can be read; without any, up to four numbers that single runs have."""
    layers = _layers(study)
    if len(layers) < 2:
        return []
    crossings = [each for row in layers for each in row.crossings if not is_unmatched(each.summary.match)]
    kept = in_order({facet for crossing in crossings for facet in facets(crossing.summary.measures)})
    if kept:
        return [
            _panel(
                study, f"{SHARES[0]}.{facet}", vocabulary, title=facet_label(facet).capitalize(), share=True
            )
            for facet in kept
        ]
    drawn = [_panel(study, name, vocabulary, title=None) for name in _fallback(study, vocabulary)]
    return [panel for panel in drawn if any(v is not None for s in panel.series for v in s.values)]


def _drawn(crossing: Crossing, name: str, share: bool) -> float | None:
    """A row's number; what is kept where it is matched well enough to be read."""
    return None if share and is_unmatched(crossing.summary.match) else row_number(crossing, name)


def _layers(study: NetworkStudy) -> list[Row]:
    """The rows that have a depth."""
    return [row for row in study.rows if row.posed is None]


def row_number(crossing: Crossing, name: str) -> float | None:
    """A number of a layer and prior: from its row, else the mean over its runs."""
    known = crossing.summary.measures.get(name)
    values = run_numbers(crossing, name)
    return known if known is not None else fmean(values) if values else None


def run_numbers(crossing: Crossing, name: str) -> list[float]:
    """A number of each of a crossing's runs that has it."""
    found = [run.feature_error if name == OWN else run.measures.get(name) for run in crossing.runs]
    return [value for value in found if value is not None]


def _fallback(study: NetworkStudy, vocabulary: Vocabulary) -> list[str]:
    """The numbers that are meant for a chart first, then others that have a better direction."""
    here = {name for crossing in study.crossings() for run in crossing.runs for name in run.measures}
    here |= {name for row in study.rows for crossing in row.crossings for name in crossing.summary.measures}
    words = [vocabulary.words(name) for name in vocabulary.ordered({*here, OWN})]
    drawn = [known.name for known in words if known.place != "table"]
    drawn += [w.name for w in words if w.place == "table" and w.better and not vocabulary.facet(w.name)]
    return drawn[:MOST_PANELS]


def _panel(
    study: NetworkStudy, name: str, vocabulary: Vocabulary, *, title: str | None, share: bool = False
) -> Panel:
    words = vocabulary.words(name)
    series = []
    for c, column in enumerate(study.columns):
        crossings = [row.crossings[c] for row in _layers(study)]
        series.append(
            Series(
                name=column.label,
                values=[_drawn(crossing, name, share) for crossing in crossings],
                spread=[crossing.summary.spread.get(name) for crossing in crossings],
                dots=[] if share else [run_numbers(crossing, name) for crossing in crossings],
            )
        )
    unit = "" if share or words.unit in ("ratio", words.title) else words.unit
    return Panel(
        title=title or words.label[:1].upper() + words.label[1:],
        layers=[row.name for row in _layers(study)],
        series=series,
        note="" if share else ", ".join(part for part in (unit, words.better) if part),
        hint=words.hint,
        limits=vocabulary.described(name).ends,
        log=name == OWN,
        share=share,
    )
