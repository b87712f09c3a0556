"""What the page shows of each run, cell and table, in words and picture keys: no HTML, no numbers left raw."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from reports import provenance
from reports.files import Json, read_json
from reports.numbers import (
    SHARES,
    band_of,
    describe,
    facet_label,
    facet_of,
    facets,
    hint,
    number,
    percent,
    seconds,
    short,
)
from reports.pictures import Album
from reports.study import Cell, Row, Study, target_name

TRACE_POINTS = 160
UNITS = ("dB", "px", "nats", "bits", "%")
CAPTION = ("feature_error", "psnr", "ssim")
WORDS = {"steps": "all its steps", "until": "the error asked for was reached", "plateau": "no more progress"}


class View:
    """A report made ready for the template and the page's script."""

    def __init__(self, out: Path, report: Json, studies: Sequence[Study], album: Album) -> None:
        self.out, self.report, self.studies, self.album = out, report, studies, album
        self.measures: Json = {
            name: known for name, known in (report.get("measures") or {}).items() if isinstance(known, dict)
        }
        self.runs = [run for study in studies for cell in study.cells() for run in cell.runs]
        self.index = {id(run): n for n, run in enumerate(self.runs)}
        self._register()

    def _register(self) -> None:
        self.photo_keys = {
            photo.get("id"): self.album.add(photo.get("file"), exact=True)
            for study in self.studies
            for photo in study.photos
        }
        self._pictures, self._films, self._evidence = {}, {}, {}
        for n, run in enumerate(self.runs):
            files = run.get("files") or {}
            self._pictures[n] = self.album.add(files.get("image"))
            evidence = files.get("evidence") or {}
            self._evidence[n] = [self.album.add(evidence.get(part)) for part in ("original", "inversion")]
            snapshots = [shot for shot in files.get("snapshots") or [] if isinstance(shot, dict)]
            keys = self.album.film([shot.get("file") for shot in snapshots])
            self._films[n] = list(zip((shot.get("step") for shot in snapshots), keys, strict=True))
        self._agreements = {
            (cell.key, photo): self.album.agreement(self._pictures[self.index[id(run)]] for run in runs)
            for study in self.studies
            for cell in study.cells()
            for photo, runs in _by_photo(cell).items()
        }
        self.album.encode()

    # What the template asks for ------------------------------------------------------------

    @property
    def title(self) -> str:
        models = list(dict.fromkeys(str(study.subject.get("model") or "the network") for study in self.studies))
        named = " and ".join(models[:3]) + (" and more" if len(models) > 3 else "")
        inverted = any(study.rows for study in self.studies)
        verb = "keep" if len(models) > 1 else "keeps"
        return f"What {named} {verb}" if inverted else f"What {named} {'look' if len(models) > 1 else 'looks'} for"

    @cached_property
    def failed(self) -> list[tuple[str, str]]:
        """Title and reason of each run that failed."""
        return [
            (f"{self.place(run)}, {self.alone(run)}", str(run["error"])) for run in self.runs if run.get("error")
        ]

    @property
    def lede(self) -> str:
        return provenance.lede(self.report, self.studies)

    @property
    def banner(self) -> str:
        return provenance.banner(self.report)

    @property
    def commands(self) -> list[tuple[str, str]]:
        return provenance.commands(self.report)

    @property
    def provenance(self) -> list[tuple[str, list[tuple[str, str]]]]:
        return provenance.sections(self.report)

    @property
    def tool(self) -> str:
        return provenance.tool(self.report)

    def number(self, run: Json) -> int:
        """What the page's script knows a run by."""
        return self.index[id(run)]

    def has_shares(self, study: Study) -> bool:
        return any(self.shares(cell) for row in study.rows for cell in row.cells)

    def shown(self, key: str | None) -> str | None:
        """The key, where its picture could be read and fits the page."""
        return key if key in self.album.uris else None

    def uri(self, key: str | None) -> str | None:
        return self.album.uris.get(key) if key else None

    def photo_name(self, photo: object) -> str:
        names = {known.get("id"): known.get("name") for known in self.report.get("images") or []}
        return str(names.get(photo) or photo or "")

    def place(self, run: Json) -> str:
        """Layer (or target) and prior."""
        name = run.get("layer") if run.get("objective") == "feature" else target_name(run)
        return f"{name} · {run.get('prior')}"

    def alone(self, run: Json) -> str:
        """What tells a run from the others of its cell."""
        parts = [self.photo_name(run.get("image")), f"seed {run.get('seed')}"]
        return ", ".join(part for part in parts if part)

    def first(self, study: Study, cell: Cell) -> Json | None:
        """The run a cell shows before anything is chosen: the first photo's, with the lowest seed."""
        photo = study.photos[0].get("id") if study.photos else None
        seed = study.seeds[0] if study.seeds else None
        return next((r for r in cell.runs if r.get("image") == photo and r.get("seed") == seed), None)

    def picture(self, run: Json | None) -> str | None:
        return None if run is None else self.shown(self._pictures[self.index[id(run)]])

    def note(self, run: Json | None) -> str:
        """Why there is no picture, or what is wrong with the one there is; empty if nothing is."""
        if run is None:
            return "not finished yet" if self.report.get("status") == "running" else "not run"
        if run.get("error"):
            return f"failed: {run['error']}"
        if self.picture(run) is None:
            return "picture missing"
        return {"not finite": "stopped: the loss was not finite", "interrupted": "interrupted"}.get(
            str(run.get("stopped")), ""
        )

    def alt(self, run: Json) -> str:
        if run.get("objective") == "feature":
            seen = f"Inversion of {self.photo_name(run.get('image'))} from layer {run.get('layer')}"
        else:
            seen = f"Picture that maximises {run.get('objective')} {target_name(run)}"
        return f"{seen} with prior {run.get('prior')}, seed {run.get('seed')}"

    def caption(self, run: Json) -> list[tuple[str, str, str]]:
        """The few numbers under a picture: name, value, and what it is."""
        found = [entry for entry in self._numbers(run) if entry[3] in CAPTION]
        return [entry[:3] for entry in found[:2]]

    def score(self, run: Json) -> list[tuple[str, str, str]]:
        """The numbers under a picture of the gallery: all there are, in the order of their descriptions."""
        return [entry[:3] for entry in self._numbers(run) if entry[1] != "–"]

    def shares(self, cell: Cell) -> list[Json]:
        """Kept, invented and free of each facet, for the bars beside a picture."""
        known = cell.summary.get("measures") or {}
        rows: list[Json] = []
        for facet in facets(known):
            band = band_of(facet)
            first = band and not any(row["band"] for row in rows)
            shares = [number(known.get(f"{name}.{facet}")) for name in SHARES]
            shown = number(known.get(f"shown.{facet}"))
            told = ", ".join(f"{name} {percent(share)}" for name, share in zip(SHARES, shares, strict=True))
            rows.append(
                {
                    "band": band,
                    "label": facet,
                    "spoken": facet_label(facet),
                    "first": first,
                    "shares": shares,
                    "kept": percent(shares[0]),
                    "told": told if shown is None else f"{told}; contrast shown {percent(shown)} of the photo's",
                    "faint": shown is not None and shown < 0.05,
                }
            )
        return rows

    def layer_facts(self, row: Row) -> list[str]:
        facts = []
        if row.facts.get("aliases"):
            facts.append("also " + ", ".join(map(str, row.facts["aliases"])))
        if row.facts.get("type"):
            facts.append(str(row.facts["type"]))
        if row.facts.get("shape"):
            facts.append(" × ".join(map(str, row.facts["shape"])))
        share = number(row.facts.get("share"))
        if share is not None:
            size = percent(share) if share < 1 else f"{short(share)} ×"
            facts.append(f"{size} of the input’s numbers" if share < 1 else f"{size} the input’s numbers")
        return facts

    def described(self) -> list[dict[str, str]]:
        """Every number on the page: what it is and where it comes from; one entry for all of a group's facets."""
        used = dict.fromkeys(name for run in self.runs for name in run.get("measures") or {})
        used.update(dict.fromkeys(n for cell in self._cells() for n in cell.summary.get("measures") or {}))
        ordered = [name for name in self.measures if name in used] + [n for n in used if n not in self.measures]
        if any(number(run.get("feature_error")) is not None for run in self.runs) and "feature_error" not in ordered:
            ordered.insert(0, "feature_error")
        known = {name.partition(".")[0] if facet_of(name) else name: name for name in reversed(ordered)}
        return [_entry_of(group, describe(name, self.measures)) for group, name in reversed(known.items())]

    def runs_table(self) -> Json:
        """All runs' numbers: heads and rows of (text, what to sort by)."""
        names = list(dict.fromkeys(name for run in self.runs for name in run.get("measures") or {}))
        known = any(number(run.get("feature_error")) is not None for run in self.runs)
        names = [*(["feature_error"] if known else []), *(n for n in self._ordered(names) if n != "feature_error")]
        units = {name: describe(name, self.measures)["unit"] for name in names}
        heads = [_head(text) for text in ("Layer or target", "Prior", "Photo", "Seed", "Steps", "Time", "Stopped")]
        merged = bool(self.report.get("sources"))
        heads += [_head("Report")] if merged else []
        heads += [self._measure_head(name) for name in names]
        rows = []
        for n, run in enumerate(self.runs):
            where = run.get("layer") if run.get("objective") == "feature" else target_name(run)
            cells = [
                (str(where), ""),
                (str(run.get("prior")), ""),
                (self.photo_name(run.get("image")) or "–", ""),
                (str(run.get("seed")), run.get("seed")),
                (short(run.get("steps")), run.get("steps")),
                (seconds(run.get("seconds")), run.get("seconds")),
                ("failed" if run.get("error") else str(run.get("stopped") or "–"), ""),
            ]
            cells += [(str(run.get("source")), "")] if merged else []
            values = {"feature_error": run.get("feature_error"), **(run.get("measures") or {})}
            cells += [(_valued(values.get(name), units[name]), number(values.get(name))) for name in names]
            rows.append({"run": n, "cells": cells, "failed": bool(run.get("error"))})
        bare = {n for n in range(len(heads)) if all(row["cells"][n][0] == "–" for row in rows)}
        for row in rows:
            row["cells"] = [cell for n, cell in enumerate(row["cells"]) if n not in bare]
        return {"heads": [head for n, head in enumerate(heads) if n not in bare], "rows": rows}

    def layers_table(self) -> Json:
        """Each layer and prior's numbers over its runs."""
        cells = [(study, row, cell) for study in self.studies for row in study.rows for cell in row.cells]
        cells = [entry for entry in cells if entry[2].summary.get("measures")]
        names = self._ordered(
            list(dict.fromkeys(name for _, _, cell in cells for name in cell.summary["measures"]))
        )
        units = {name: describe(name, self.measures)["unit"] for name in names}
        several = len(self.studies) > 1
        heads = [_head("Network")] if several else []
        heads += [_head("Layer"), _head("Prior"), _head("Runs")]
        heads += [self._measure_head(name) for name in names]
        rows = []
        for order, (study, row, cell) in enumerate(cells):
            texts: list[tuple[str, Any]] = [(str(study.subject.get("model")), "")] if several else []
            texts += [(row.name, order), (cell.column.label, ""), (str(len(cell.runs)), len(cell.runs))]
            for name in names:
                value, spread = cell.summary["measures"].get(name), (cell.summary.get("spread") or {}).get(name)
                text = _valued(value, units[name])
                text += "" if number(spread) is None else f" ± {_valued(spread, units[name])}"
                texts.append((text, number(value)))
            rows.append({"cells": texts})
        groups = list(dict.fromkeys(head["group"] for head in heads if head["group"]))
        return {"heads": heads, "rows": rows, "groups": groups}

    # What the page's script asks for -------------------------------------------------------

    def data(self) -> Json:
        """Everything the script shows that is not in the page already, as JSON."""
        return {
            "studies": {study.key: self._study(study) for study in self.studies},
            "cells": {cell.key: self._cell(row, cell) for study in self.studies for row, cell in _placed(study)},
            "runs": [self._run(run) for run in self.runs],
            "pictures": {key: uri for key, uri in self.album.uris.items() if key not in self.in_page()},
        }

    def in_page(self) -> set[str]:
        """The pictures that the template itself shows: they are embedded there, and only there."""
        keys = {self.photo_keys.get(study.photos[0].get("id")) for study in self.studies if study.photos}
        for study in self.studies:
            keys |= {self.picture(self.first(study, cell)) for row in study.rows for cell in row.cells}
            keys |= {self.picture(run) for row in study.gallery for cell in row.cells for run in cell.runs}
        return {key for key in keys if key is not None}

    def _study(self, study: Study) -> Json:
        photos = [
            {
                "id": photo.get("id"),
                "name": str(photo.get("name")),
                "key": self.shown(self.photo_keys.get(photo.get("id"))),
                "top5": _top5(photo),
            }
            for photo in study.photos
        ]
        return {"photos": photos, "seeds": study.seeds}

    def _cell(self, row: Row, cell: Cell) -> Json:
        known = cell.summary.get("measures") or {}
        tiles = cell.summary.get("tiles")
        controls = cell.summary.get("controls") or {}
        return {
            "title": f"{row.name} · {cell.column.label}",
            "study": row.key.split("-")[0],
            "reading": str(cell.summary.get("reading") or ""),
            "facts": self.layer_facts(row),
            "runs": [self.index[id(run)] for run in cell.runs],
            "agreement": {str(photo): self.shown(self._agreements[cell.key, photo]) for photo in _by_photo(cell)},
            "numbers": [self._entry(name, known[name])[:3] for name in self._ordered(list(known))],
            "tiles": tiles if isinstance(tiles, list) else None,
            "controls": {
                str(name): [self._entry(n, values[n])[:3] for n in self._ordered(list(values))]
                for name, values in controls.items()
                if isinstance(values, dict)
            },
        }

    def _run(self, run: Json) -> Json:
        n = self.index[id(run)]
        files = run.get("files") or {}
        stopped = str(run.get("stopped") or "")
        facts = [
            self.alone(run),
            f"{short(run.get('steps'))} steps in {seconds(run.get('seconds'))}",
            f"stopped: {WORDS.get(stopped, stopped)}" if stopped else "",
            f"{run.get('device')}, {run.get('precision')}" if run.get("device") else "",
            f"{short(run['parameters'])} numbers optimised" if run.get("parameters") else "",
            f"from report {run['source']}" if run.get("source") else "",
        ]
        return {
            "photo": run.get("image"),
            "seed": run.get("seed"),
            "place": self.place(run),
            "alone": self.alone(run),
            "alt": self.alt(run),
            "picture": self.picture(run),
            "note": self.note(run),
            "caption": self.caption(run),
            "facts": [fact for fact in facts if fact],
            "frames": [[step, key] for step, key in self._films[n] if self.shown(key)],
            "steps": run.get("steps"),
            "trace": _thinned(read_json(self.out, files.get("trace"))),
            "evidence": [self.shown(key) for key in self._evidence[n]],
            "top5": _top5(run),
            "numbers": [entry[:3] for entry in self._numbers(run)],
            "settings": [[str(name), _setting(value)] for name, value in (run.get("settings") or {}).items()],
            "command": str(run.get("command") or ""),
        }

    def _numbers(self, run: Json) -> list[tuple[str, str, str, str]]:
        values = dict(run.get("measures") or {})
        if run.get("feature_error") is not None or run.get("objective") == "feature":
            values["feature_error"] = run.get("feature_error")
        names = [name for name in ("feature_error", *self._ordered(list(values))) if name in values]
        return [self._entry(name, values[name]) for name in dict.fromkeys(names)]

    def _entry(self, name: str, value: Any) -> tuple[str, str, str, str]:
        known = describe(name, self.measures)
        return known["title"], _with_unit(value, known["unit"]), hint(known), name

    def _ordered(self, names: list[str]) -> list[str]:
        """Names in the order of their descriptions; facets from coarse to fine within their group."""
        order = {name: n for n, name in enumerate(self.measures)}
        facet_order = {facet: n for n, facet in enumerate(facets(names))}
        first = {name.partition(".")[0]: order.get(name, len(order)) for name in reversed(sorted(names, key=lambda n: order.get(n, len(order))))}
        return sorted(
            names,
            key=lambda n: (first[n.partition(".")[0]], facet_order.get(facet_of(n), -1), order.get(n, len(order))),
        )

    def _measure_head(self, name: str) -> dict[str, str]:
        known = describe(name, self.measures)
        facet = facet_of(name)
        group = name.partition(".")[0] if facet else ""
        return {
            "text": facet_label(facet) if facet else known["title"],
            "unit": "" if facet else known["unit"],
            "hint": hint(known),
            "group": group,
        }

    def _cells(self) -> list[Cell]:
        return [cell for study in self.studies for cell in study.cells()]


def _entry_of(group: str, known: dict[str, str]) -> dict[str, str]:
    """What a glossary says of a number, or of a group of them by its first facet."""
    if group == known["name"]:
        return known
    return {**known, "name": f"{group}.FACET", "title": group}


def _head(text: str) -> dict[str, str]:
    return {"text": text, "unit": "", "hint": "", "group": ""}


def _placed(study: Study) -> list[tuple[Row, Cell]]:
    return [(row, cell) for row in (*study.rows, *study.gallery) for cell in row.cells]


def _by_photo(cell: Cell) -> dict[Any, list[Json]]:
    photos: dict[Any, list[Json]] = {}
    for run in cell.runs:
        photos.setdefault(run.get("image"), []).append(run)
    return photos


def _valued(value: Any, unit: str) -> str:
    """A number in the digits that are usual for its unit."""
    known = number(value)
    return f"{known:.1f}".replace("-", "−") if known is not None and unit == "dB" else short(value)


def _with_unit(value: Any, unit: str) -> str:
    return f"{_valued(value, unit)} {unit}" if number(value) is not None and unit in UNITS else _valued(value, unit)


def _top5(entry: Json) -> list[list[Any]] | None:
    top5 = entry.get("top5")
    if not isinstance(top5, list):
        return None
    return [[str(c.get("name")), number(c.get("probability"))] for c in top5 if isinstance(c, dict)]


def _setting(value: Any) -> str:
    return ", ".join(map(_setting, value)) if isinstance(value, list) else "yes" if value is True else "no" if value is False else str(value)


def _thinned(trace: Any) -> Json | None:
    """At most `TRACE_POINTS` of a trace's steps, in four digits: enough for a curve on a screen."""
    if not isinstance(trace, dict) or not isinstance(trace.get("step"), list) or not trace["step"]:
        return None
    count = len(trace["step"])
    stride = max(1, -(-count // TRACE_POINTS))
    chosen = [*range(0, count - 1, stride), count - 1]
    terms = {name: values for name, values in trace.items() if isinstance(values, list) and len(values) == count}
    return {
        name: [None if number(values[n]) is None else float(f"{values[n]:.4g}") for n in chosen]
        for name, values in terms.items()
    }
