"""Where a report comes from: in a line, by command, by version and digest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any

from invert.errors import plain
from invert.report import CommonError, Origin, Report, ReportedSubject, Source
from invert_reports.study import NetworkStudy

Facts = list[tuple[str, str]]

MOST_SKIPPED = 40
"""How many of the photos that were skipped a page names."""


def lede(report: Report, studies: Sequence[NetworkStudy]) -> str:
    """What was done, in a line."""
    parts = []
    if len(studies) == 1:
        subject = studies[0].subject
        parts.append(subject.weights or "")
        parts.append(f"input {_shape(subject.input.shape)}")
    for study in studies:
        if study.rows:
            parts.append(_sizes(study))
        if study.gallery:
            sizes = [_count(len(study.gallery), "target"), _count(len(study.gallery_columns), "prior")]
            parts.append(" × ".join(sizes))
    parts.append(report.created[:10])
    return " · ".join(part for part in parts if part)


def _sizes(study: NetworkStudy) -> str:
    """How much was run; of reports that are not pooled, how much in each."""
    priors = {column.prior for column in study.columns}
    parts = [_count(len(study.rows), "layer"), _count(len(priors), "prior")]
    if all(column.source is None for column in study.columns):
        return " × ".join([*parts, _count(len(study.photos), "photo"), _count(len(study.seeds), "seed")])
    runs = [run for row in study.rows for crossing in row.crossings for run in crossing.runs]
    sources = {run.source for run in runs}
    photos = {len({run.image for run in runs if run.source == source}) for source in sources}
    seeds = {len({run.seed for run in runs if run.source == source}) for source in sources}
    parts += [_range(photos, "photo"), _range(seeds, "seed")]
    return f"{' × '.join(parts)} in each of {len(sources)} reports, whose numbers are not pooled"


def _range(counts: set[int], noun: str) -> str:
    low, high = min(counts), max(counts)
    return _count(low, noun) if low == high else f"{low} to {_count(high, noun)}"


def banner(report: Report) -> str:
    """What a reader must know before the numbers: unfinished, interrupted or failed."""
    finished = sum(not run.error for run in report.runs)
    failed = len(report.runs) - finished
    if report.status == "running":
        return f"Still running, {_count(finished, 'run')} finished. Reload the page to see more."
    if report.status == "interrupted":
        return f"Interrupted after {_count(finished, 'run')}. The same command with --resume goes on."
    told = []
    if failed:
        told.append(
            f"{failed} of {_count(len(report.runs), 'run')} failed; the reasons stand in their places."
        )
    told += [f"The control {run.id} failed: {run.error}." for run in report.controls if run.error]
    told += [
        f"{row.layer} under {row.prior} could not be measured: {row.error}."
        for row in report.layers
        if row.error
    ]
    return " ".join(told)


def commands(report: Report) -> Facts:
    """The command of each source, by its name (empty where there is one)."""
    found = [(source.name, source.command) for source in report.sources if source.command]
    return found or ([("", report.command)] if report.command else [])


def tool(report: Report) -> str:
    return f"{report.tool.get('name') or 'invert'} {report.tool.get('version') or ''}".strip()


def sections(report: Report) -> list[tuple[str, Facts]]:
    """Networks, photos, versions and request, for whoever wants to make it again."""
    sources: Sequence[Origin] = report.sources or [report]
    found = []
    for source in sources:
        name = f" · {source.name}" if isinstance(source, Source) and len(sources) > 1 else ""
        if source.network.model:
            found.append((f"Network{name}", _network(source.network)))
        if source.judge is not None:
            found.append((f"Judge{name}", _network(source.judge)))
        created = ("created", source.created or "–")
        found.append((f"Versions{name}", [*_flat(source.tool), created]))
        found.append((f"Request{name}", _flat(source.request)))
        common = [(layer, _common(one)) for layer, one in source.common.items()]
        found.append((f"Common feature error (--until auto){name}", common))
    photos = [(photo.name, photo.sha256 or "–") for photo in report.images]
    found[1:1] = [("Photos, by the digest of their pixels", photos), ("Photos skipped", _skipped(report))]
    return [(title, facts) for title, facts in found if facts]


def _skipped(report: Report) -> Facts:
    """What of the folders of photos was not looked at, and why."""
    beside = [run.photos.left_out for run in report.runs if run.photos is not None]
    every = dict.fromkeys((one.name, one.reason) for one in chain(report.skipped, *beside))
    facts = [
        (plain(name, 300), plain(reason.replace(f"image {name!r}: ", ""), 300))
        for name, reason in islice(every, MOST_SKIPPED)
    ]
    more = len(every) - len(facts)
    return [*facts, (f"{more} more", "report.json names them")] if more else facts


def _common(one: CommonError) -> str:
    if one.error is None:
        return "none: no run came to an end"
    parts = [f"{one.error:.3g}, which {_count(one.runs, 'run')} reached in the first pass"]
    if one.left_out:
        parts.append(f"left out, failed or diverged: {', '.join(one.left_out)}")
    if one.largest is not None:
        parts.append(f"the pictures have at most {one.largest:.4g}")
    return "; ".join(parts)


def _network(subject: ReportedSubject) -> Facts:
    return [
        ("model", subject.model or "–"),
        ("weights", subject.weights or "–"),
        ("sha256", subject.sha256 or "–"),
        ("input", _shape(subject.input.shape)),
        ("mean", _text(subject.input.mean)),
        ("std", _text(subject.input.std)),
        ("classes", _text(subject.classes)),
    ]


def _flat(mapping: Mapping[str, Any]) -> Facts:
    return [
        (str(name), _text(value)) for name, value in mapping.items() if value not in (None, False, [], {})
    ]


def _text(value: Any) -> str:
    if value is None or value == []:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | bool) else str(value)


def _shape(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape)) or "–"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
