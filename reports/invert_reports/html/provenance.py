"""Where a report comes from: in a line, by command, by version and digest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from invert_reports.files import Json
from invert_reports.study import Study

Facts = list[tuple[str, str]]


def lede(report: Json, studies: Sequence[Study]) -> str:
    """What was done, in a line."""
    parts = []
    if len(studies) == 1:
        subject = studies[0].subject
        parts.append(str(subject.get("weights") or ""))
        parts.append(f"input {_shape((subject.get('input') or {}).get('shape'))}")
    for study in studies:
        if study.rows:
            sizes = [_count(len(study.rows), "layer"), _count(len(study.columns), "prior")]
            sizes += [_count(len(study.photos), "photo"), _count(len(study.seeds), "seed")]
            parts.append(" × ".join(sizes))
        if study.gallery:
            sizes = [_count(len(study.gallery), "target"), _count(len(study.gallery_columns), "prior")]
            parts.append(" × ".join(sizes))
    parts.append(_day(report.get("created")))
    return " · ".join(part for part in parts if part)


def banner(report: Json) -> str:
    """What a reader must know before the numbers: unfinished, interrupted or failed."""
    finished = sum(not run.get("error") for run in report["runs"])
    failed = len(report["runs"]) - finished
    status = report.get("status")
    if status == "running":
        return f"Still running, {_count(finished, 'run')} finished. Reload the page to see more."
    if status == "interrupted":
        return f"Interrupted after {_count(finished, 'run')}. The same command with --resume goes on."
    told = []
    if failed:
        told.append(
            f"{failed} of {_count(len(report['runs']), 'run')} failed; the reasons stand in their places."
        )
    told += [f"The control {run.get('id')} failed: {run['error']}." for run in _wrong(report, "controls")]
    told += [
        f"{row.get('layer')} under {row.get('prior')} could not be measured: {row['error']}."
        for row in _wrong(report, "layers")
    ]
    return " ".join(told)


def _wrong(report: Json, part: str) -> list[Json]:
    return [item for item in report.get(part) or [] if item.get("error")]


def commands(report: Json) -> Facts:
    """The command of each source, by its name (empty where there is one)."""
    sources = report.get("sources") or []
    found = [(str(source.get("name")), str(source["command"])) for source in sources if source.get("command")]
    return found or ([("", str(report["command"]))] if report.get("command") else [])


def tool(report: Json) -> str:
    known = report.get("tool") or {}
    return f"{known.get('name') or 'invert'} {known.get('version') or ''}".strip()


def sections(report: Json) -> list[tuple[str, Facts]]:
    """Networks, photos, versions and request, for whoever wants to make it again."""
    sources = report.get("sources") or [report]
    several = len(sources) > 1
    found = []
    for source in sources:
        name = f" · {source.get('name')}" if several else ""
        found.append((f"Network{name}", _network(source.get("subject") or {})))
        if isinstance(source.get("judge"), dict):
            found.append((f"Judge{name}", _network(source["judge"])))
        created = ("created", str(source.get("created") or "–"))
        found.append((f"Versions{name}", [*_flat(source.get("tool") or {}), created]))
        found.append((f"Request{name}", _flat(source.get("request") or {})))
    photos = [(str(photo.get("name")), _digest(photo.get("sha256"))) for photo in report.get("images") or []]
    found.insert(1, ("Photos, by the digest of their pixels", photos))
    return [(title, facts) for title, facts in found if facts]


def _network(subject: Json) -> Facts:
    known = subject.get("input") or {}
    return [
        ("model", str(subject.get("model") or "–")),
        ("weights", str(subject.get("weights") or "–")),
        ("sha256", _digest(subject.get("sha256"))),
        ("input", _shape(known.get("shape"))),
        ("mean", _text(known.get("mean"))),
        ("std", _text(known.get("std"))),
        ("classes", _text(subject.get("classes"))),
    ]


def _flat(mapping: Json) -> Facts:
    return [
        (str(name), _text(value)) for name, value in mapping.items() if value not in (None, False, [], {})
    ]


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | bool) else str(value)


def _digest(value: object) -> str:
    return str(value) if value else "–"


def _shape(shape: Any) -> str:
    return " × ".join(map(str, shape)) if isinstance(shape, list) else "–"


def _day(created: object) -> str:
    return str(created)[:10] if created else ""


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
