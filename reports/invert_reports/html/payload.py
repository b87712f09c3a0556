"""What the page's script gets as JSON: everything that is shown on choosing or looking closer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invert_reports.files import Json, read_json
from invert_reports.html.contents import REAL, Contents, by_photo, numbers_of, top5
from invert_reports.html.numbers import facet_of, number, probability, seconds, short
from invert_reports.html.view import View
from invert_reports.html.vocabulary import Vocabulary, matrix
from invert_reports.study import Cell, Row, Study

TRACE_POINTS = 160
WORDS = {"steps": "all its steps", "until": "the error asked for was reached", "plateau": "no more progress"}
SURE = "the network is sure in every view"


def payload(out: Path, view: View) -> Json:
    """Studies, cells and runs by their keys, and the pictures that the page itself does not embed."""
    contents, vocabulary = view.contents, view.vocabulary
    embedded = view.embedded()
    return {
        "studies": {study.key: _study(study, contents) for study in contents.studies},
        "cells": {
            cell.key: _cell(study, row, cell, view)
            for study in contents.studies
            for row in (*study.rows, *study.gallery)
            for cell in row.cells
        },
        "runs": [_run(run, out, contents, vocabulary, view) for run in contents.runs],
        "pictures": {key: uri for key, uri in contents.album.uris.items() if key not in embedded},
    }


def _study(study: Study, contents: Contents) -> Json:
    photos = [
        {
            "id": photo.get("id"),
            "name": str(photo.get("name")),
            "key": contents.photo(photo),
            "top5": _classes(photo),
        }
        for photo in study.photos
    ]
    return {"photos": photos, "seeds": study.seeds}


def _cell(study: Study, row: Row, cell: Cell, view: View) -> Json:
    known = cell.summary.get("measures") or {}
    controls = cell.summary.get("controls") or {}
    tiles = cell.summary.get("tiles")
    return {
        "title": f"{row.name} · {cell.column.label}",
        "study": study.key,
        "reading": str(cell.summary.get("reading") or ""),
        "runs": [view.contents.number(run) for run in cell.runs],
        "agreement": {str(photo): view.contents.agreement(cell, photo) for photo in by_photo(cell)},
        "numbers": [e.shown() for e in view.vocabulary.entries(known) if e.known and not facet_of(e.name)],
        "facets": matrix(known, {str(name): v for name, v in controls.items() if isinstance(v, dict)}),
        "tiles": tiles if isinstance(tiles, list) and tiles and isinstance(tiles[0], list) else None,
    }


def _run(run: Json, out: Path, contents: Contents, vocabulary: Vocabulary, view: View) -> Json:
    stopped = str(run.get("stopped") or "")
    why = SURE if stopped == "until" and run.get("objective") == "class" else WORDS.get(stopped, stopped)
    facts = [
        contents.alone(run),
        f"{short(run.get('steps'))} steps in {seconds(run.get('seconds'))}" if run.get("steps") else "",
        f"stopped: {why}" if stopped else "",
        f"{run.get('device')}, {run.get('precision')}" if run.get("device") else "",
        f"{short(run['parameters'])} numbers optimised" if run.get("parameters") else "",
        f"from report {run['source']}" if run.get("source") else "",
    ]
    return {
        "photo": run.get("image"),
        "seed": run.get("seed"),
        "alt": contents.alt(run),
        "picture": contents.picture(run),
        "note": contents.note(run),
        "failed": bool(run.get("error")),
        "caption": view.caption(run),
        "facts": [fact for fact in facts if fact],
        "frames": [[step, key] for step, key in contents.film(run)],
        "steps": run.get("steps"),
        "trace": _thinned(read_json(out, (run.get("files") or {}).get("trace"))),
        "evidence": contents.evidence(run),
        "top5": _classes(run),
        "real": {
            part: [[key, name, short(score)] for key, name, score in contents.real(run, part)]
            for part in REAL
        },
        "numbers": [e.shown() for e in vocabulary.entries(numbers_of(run)) if e.known],
        "settings": [[str(name), _setting(value)] for name, value in (run.get("settings") or {}).items()],
        "command": str(run.get("command") or ""),
    }


def _classes(entry: Json) -> list[list[Any]]:
    """Name, probability, and the probability as text."""
    return [[name, number(share), probability(number(share))] for name, share in top5(entry)]


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(_setting, value)) if isinstance(value, list) else str(value)


def _thinned(trace: Any) -> Json | None:
    """At most `TRACE_POINTS` of a trace's steps, in four digits: enough for a curve on a screen."""
    if not isinstance(trace, dict) or not isinstance(trace.get("step"), list) or not trace["step"]:
        return None
    count = len(trace["step"])
    stride = max(1, -(-count // TRACE_POINTS))
    chosen = [*range(0, count - 1, stride), count - 1]
    terms = {n: values for n, values in trace.items() if isinstance(values, list) and len(values) == count}
    return {name: [_digits(values[n]) for n in chosen] for name, values in terms.items()}


def _digits(value: Any) -> float | None:
    known = number(value)
    return None if known is None else float(f"{known:.4g}")
