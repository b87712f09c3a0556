"""The page's sortable tables: heads, and rows of (text, what to sort by)."""

from __future__ import annotations

from typing import Any

from invert.report import Match
from invert_reports.files import Json
from invert_reports.html.contents import Contents, numbers_of
from invert_reports.html.numbers import seconds, short
from invert_reports.html.vocabulary import Vocabulary

TEXT = ""
"""The sort key of a cell that sorts by its text; a number that is not known has None."""

Fields = list[tuple[str, Any]]

MATCHED = {
    "text": "matched",
    "unit": "",
    "hint": "whether the feature error is small enough, against those between unlike pictures, for what "
    "comes back to be read, and how many decibels below their median it is",
    "group": "",
}


def runs_table(contents: Contents, vocabulary: Vocabulary) -> Json:
    """All runs' numbers, a row a run; columns in which nothing is known are left out."""
    names = vocabulary.ordered(name for run in contents.runs for name in numbers_of(run))
    merged = bool(contents.report.sources)
    heads = [
        _head(text) for text in ("Layer or target", "Prior", "Photo", "Seed", "Steps", "Time", "Stopped")
    ]
    heads += [_head("Report")] if merged else []
    heads.append(MATCHED)
    heads += [vocabulary.head(name) for name in names]
    rows = []
    for n, run in enumerate(contents.runs):
        values = numbers_of(run)
        fields: Fields = [
            (contents.subject_of(run), TEXT),
            (run.prior, TEXT),
            (contents.photo_name(run.image) or "–", TEXT),
            (str(run.seed), run.seed),
            (short(run.steps), run.steps),
            (seconds(run.seconds), run.seconds),
            ("failed" if run.error else run.stopped or "–", TEXT),
        ]
        fields += [(run.source or "–", TEXT)] if merged else []
        fields.append(_matched(run.match))
        fields += [(vocabulary.text(name, values.get(name)), values.get(name)) for name in names]
        rows.append({"run": n, "fields": fields, "failed": bool(run.error)})
    return _without_bare_columns(heads, rows)


def layers_table(contents: Contents, vocabulary: Vocabulary) -> Json:
    """Each layer and prior's numbers over its runs, with their spread."""
    found = [
        (study, row, crossing)
        for study in contents.studies
        for row in study.rows
        for crossing in row.crossings
        if crossing.summary.measures
    ]
    names = vocabulary.ordered(name for _, _, crossing in found for name in crossing.summary.measures)
    several = len(contents.studies) > 1
    heads = [
        _head(text) for text in (*(("Network",) if several else ()), "Layer", "Prior", "Photos", "Seeds")
    ]
    heads.append(MATCHED)
    heads += [vocabulary.head(name) for name in names]
    rows = []
    for depth, (study, row, crossing) in enumerate(found):
        values, spreads = crossing.summary.measures, crossing.summary.spread
        fields: Fields = [(study.subject.model, TEXT)] if several else []
        fields += [(row.name, depth), (crossing.column.label, TEXT)]
        fields += [(short(count), count) for count in (crossing.summary.photos, crossing.summary.seeds)]
        fields.append(_matched(crossing.summary.match))
        for name in names:
            text = vocabulary.text(name, values.get(name))
            if values.get(name) is not None and spreads.get(name) is not None:
                text += f" ± {vocabulary.text(name, spreads[name])}"
            fields.append((text, values.get(name)))
        rows.append({"fields": fields, "failed": False})
    return _without_bare_columns(heads, rows)


def _matched(match: Match | None) -> tuple[str, Any]:
    """Whether the layer is matched well enough for the numbers beside it to be read."""
    if match is None:
        return "–", None
    return f"{'yes' if match.enough else 'no'}, {match.in_short}", match.snr_db


def _without_bare_columns(heads: list[dict[str, str]], rows: list[Json]) -> Json:
    bare = {n for n in range(len(heads)) if all(row["fields"][n][0] == "–" for row in rows)}
    for row in rows:
        row["fields"] = [cell for n, cell in enumerate(row["fields"]) if n not in bare]
    heads = [head for n, head in enumerate(heads) if n not in bare]
    groups = list(dict.fromkeys(head["group"] for head in heads if head["group"]))
    return {"heads": heads, "rows": rows, "groups": groups}


def _head(text: str) -> dict[str, str]:
    return {"text": text, "unit": "", "hint": "", "group": ""}
