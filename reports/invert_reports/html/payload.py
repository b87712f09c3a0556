"""What the page's script gets as JSON: everything that is shown on choosing or looking closer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invert.report import Numbers, Record, ReportedPhoto
from invert_reports.files import Json, read_json
from invert_reports.html.contents import REAL, Contents, by_photo, numbers_of
from invert_reports.html.numbers import number, probability, seconds, short
from invert_reports.html.view import View
from invert_reports.html.vocabulary import Vocabulary, match_in_words
from invert_reports.study import Crossing, NetworkStudy, Row

TRACE_POINTS = 160
WORDS = {"steps": "all its steps", "until": "the error asked for was reached", "plateau": "no more progress"}
SURE = "the network is sure in every view"


def payload(out: Path, view: View) -> Json:
    """Studies, crossings and runs by their keys, and the pictures that the page itself does not embed."""
    contents, vocabulary = view.contents, view.vocabulary
    embedded = view.embedded()
    return {
        "studies": {study.key: _study(study, contents) for study in contents.studies},
        "crossings": {
            crossing.key: _crossing(study, row, crossing, view)
            for study in contents.studies
            for row in (*study.rows, *study.gallery)
            for crossing in row.crossings
        },
        "runs": [_run(run, out, contents, vocabulary, view) for run in contents.runs],
        "pictures": {key: uri for key, uri in contents.album.uris.items() if key not in embedded},
    }


def _study(study: NetworkStudy, contents: Contents) -> Json:
    photos = [
        {
            "id": photo.id,
            "name": photo.name,
            "key": contents.photo(photo),
            "top5": _classes(photo),
        }
        for photo in study.photos
    ]
    return {"photos": photos, "seeds": study.seeds}


def _crossing(study: NetworkStudy, row: Row, crossing: Crossing, view: View) -> Json:
    known, vocabulary = crossing.summary.measures, view.vocabulary
    return {
        "title": f"{row.name} · {crossing.column.label}",
        "study": study.key,
        "reading": crossing.summary.reading or "",
        "runs": [view.contents.number(run) for run in crossing.runs],
        "agreement": {str(photo): view.contents.agreement(crossing, photo) for photo in by_photo(crossing)},
        "numbers": [
            entry.shown()
            for entry in vocabulary.entries(known)
            if entry.known and not vocabulary.facet(entry.words.name)
        ],
        "facets": vocabulary.matrix(known, _controls(crossing, view), crossing.summary.spread),
        "tiles": crossing.summary.tiles or None,
        "pooled": view.pooled(crossing),
        "byPhoto": {
            photo: {
                "reading": part.reading or "",
                "facets": vocabulary.matrix(part.measures, {}, {}),
                "tiles": part.tiles or None,
            }
            for photo, part in crossing.summary.by_photo.items()
        },
    }


def _controls(crossing: Crossing, view: View) -> dict[str, Numbers]:
    """The controls' numbers by their names, which say where the control itself is not matched."""
    row = crossing.summary
    found = {}
    for name, numbers in row.controls.items():
        runs = [r for r in view.report.controls if (r.control, r.layer, r.prior, r.source) ==
                (name, row.layer, row.prior, row.source)]  # fmt: skip
        unmatched = sum(r.match is not None and not r.match.enough for r in runs)
        found[f"{name} (not matched)" if 10 * unmatched > len(runs) else name] = numbers
    return found


def _run(run: Record, out: Path, contents: Contents, vocabulary: Vocabulary, view: View) -> Json:
    stopped = run.stopped or ""
    why = SURE if stopped == "until" and run.objective == "class" else WORDS.get(stopped, stopped)
    facts = [
        f"feature error {match_in_words(run.match)}" if run.match else "",
        contents.alone(run),
        f"{short(run.steps)} steps in {seconds(run.seconds)}" if run.steps else "",
        f"stopped: {why}" if stopped else "",
        f"{run.device}, {run.precision}" if run.device else "",
        f"{short(run.parameters)} numbers optimised" if run.parameters else "",
        f"from report {run.source}" if run.source else "",
    ]
    return {
        "photo": run.image,
        "seed": run.seed,
        "alt": contents.alt(run),
        "picture": contents.picture(run),
        "note": contents.note(run),
        "failed": bool(run.error),
        "caption": view.caption(run),
        "facts": [fact for fact in facts if fact],
        "frames": [[step, key] for step, key in contents.film(run)],
        "steps": run.steps,
        "trace": _thinned(read_json(out, run.files.trace)),
        "attributions": contents.attributions(run),
        "top5": _classes(run),
        "real": {
            part: [[key, name, short(score)] for key, name, score in contents.real(run, part)]
            for part in REAL
        },
        "numbers": [e.shown() for e in vocabulary.entries(numbers_of(run)) if e.known],
        "settings": [[name, _setting(value)] for name, value in run.settings.items()],
        "command": run.command,
    }


def _classes(entry: Record | ReportedPhoto) -> list[list[Any]]:
    """Name, probability, and the probability as text."""
    return [[known.name, known.probability, probability(known.probability)] for known in entry.top5 or []]


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
