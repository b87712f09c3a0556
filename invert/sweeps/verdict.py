"""What a comparison says first: the classes, the largest losses, and what to beware of."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from invert.report import LayerRow, Record, ReportedPhoto, TopClass
from invert.sweeps.auto import rounded_up
from invert.sweeps.compare import Change, ComparedRow, Comparison
from invert.sweeps.sides import Side

MOST = 3
"""So many losses, photos or rows are named in a line; the table has the others."""

MATCHED = 1.5
"""Feature errors of A and B that differ by more than this factor are not matched."""

WORK = ("steps", "patience", "views", "precision")
"""Options of a request that change what comes back."""


@dataclass(frozen=True)
class ClassChange:
    """A photo whose top class is another in B."""

    photo: ReportedPhoto
    a: TopClass
    b: TopClass

    def __str__(self) -> str:
        return f"{self.photo.name} from {_sure(self.a)} to {_sure(self.b)}"


@dataclass(frozen=True)
class Verdict:
    """`known` photos have a top class in both networks; `changed` are those in which it is another."""

    same_weights: bool
    known: int
    changed: list[ClassChange]
    losses: list[tuple[ComparedRow, Change]]
    gains: list[tuple[ComparedRow, Change]]
    looked_at: int
    kept_changed: list[str]
    codes: dict[str, float]
    cautions: list[str]

    @property
    def lines(self) -> list[str]:
        """The verdict as sentences: the classes first, then what was lost and gained, and where."""
        return [self._classes(), *self._codes(), self._lost(), *self._gained(), *self._where()]

    @property
    def layers_changed(self) -> list[str]:
        """The layers whose codes of the photos are others, shallow to deep."""
        return [layer for layer, change in self.codes.items() if change > 0]

    @property
    def beyond(self) -> str:
        """What is meant by beyond noise, with the count of all that was looked at at once."""
        return (
            f"the chance that any of the {self.looked_at} numbers looked at is marked where nothing but the "
            "seeds differs is 5 % (Holm). Each interval is 95 % for its number: these photos, other seeds."
        )

    def _classes(self) -> str:
        same = "A and B have the same weights. " if self.same_weights else ""
        if self.known == 0:
            return f"{same}Classes cannot be compared: not both networks name them."
        agree = self.known - len(self.changed)
        photos = f"{agree} of {self.known} photo{'s' if self.known != 1 else ''}"
        if not self.changed:
            return f"{same}Classes: top 1 agrees on {photos}."
        named = "; ".join(map(str, self.changed[:MOST]))
        more = f"; and {len(self.changed) - MOST} more" if len(self.changed) > MOST else ""
        return f"{same}Classes changed: top 1 agrees on {photos} only; {named}{more}."

    def _lost(self) -> str:
        if self.losses:
            return f"Largest losses beyond noise: {_listed(self.losses)}."
        if self.looked_at == 0:
            return "What is noise is not known: it takes at least three seeds on both sides (--seeds 4)."
        return (
            f"No loss beyond noise: none of {self.looked_at} numbers fell by more than other seeds make it."
        )

    def _gained(self) -> Iterator[str]:
        if self.gains:
            yield f"Largest gains beyond noise: {_listed(self.gains)}."

    def _where(self) -> Iterator[str]:
        if self.kept_changed:
            yield f"What comes back changed beyond noise at {', '.join(self.kept_changed)}."

    def _codes(self) -> Iterator[str]:
        """Where the networks part: told from the photos' codes, which no seed moves."""
        if not self.codes:
            return
        changed = [f"{layer} {self.codes[layer]:.2g}" for layer in self.layers_changed]
        same = [layer for layer, change in self.codes.items() if change == 0]
        if not changed:
            yield f"The layers' codes of the photos are the same ({_some(same)})."
            return
        alike = f"; the same at {_some(same)}" if same else ""
        yield f"The layers' codes of the photos differ, by ‖Φ_B − Φ_A‖² / ‖Φ_A‖²: {_some(changed)}{alike}."

    def as_json(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "cautions": self.cautions,
            "same_weights": self.same_weights,
            "classes": {
                "photos": self.known,
                "agree": self.known - len(self.changed),
                "changed": [
                    {
                        "image": change.photo.id,
                        "name": change.photo.name,
                        "a": {"name": change.a.name, "probability": change.a.probability},
                        "b": {"name": change.b.name, "probability": change.b.probability},
                    }
                    for change in self.changed
                ],
            },
            "losses": [_told(row, change) for row, change in self.losses],
            "gains": [_told(row, change) for row, change in self.gains],
            "looked_at": self.looked_at,
            "beyond": self.beyond,
            "codes": self.codes,
            "layers_changed": self.layers_changed,
            "kept_changed": self.kept_changed,
        }


def verdict(comparison: Comparison) -> Verdict:
    a, b = comparison.a, comparison.b
    tops = [(x, x.top5[0], y.top5[0]) for x, y in comparison.photos if x.top5 and y.top5]
    marked = [(row, change) for row, change in comparison.looked_at if change.beyond_noise]
    in_order = sorted(marked, key=lambda found: _size(found[1]), reverse=True)
    layers = sorted(comparison.rows, key=lambda row: row.a.depth)
    changed = {row.name for row, _ in marked}
    digests = a.report.network.sha256, b.report.network.sha256
    return Verdict(
        same_weights=digests[0] is not None and digests[0] == digests[1],
        known=len(tops),
        changed=[ClassChange(photo, x, y) for photo, x, y in tops if x.name != y.name],
        losses=[found for found in in_order if found[1].worse],
        gains=[found for found in in_order if not found[1].worse],
        looked_at=len(comparison.looked_at),
        kept_changed=list(dict.fromkeys(row.name for row in layers if row.name in changed)),
        codes={row.name: row.code_change for row in layers if row.code_change is not None},
        cautions=list(cautions(comparison)),
    )


def told(change: Change) -> str:
    """The change in words: `−12 points (−15 to −9)`, or `+0.021 (+0.012 to +0.03)`."""
    if change.change is None:
        return "–"
    numbers = [change.change, *(change.interval or ())]
    digits = 0 if abs(change.change) >= 0.0995 else 1
    whole, *ends = (
        (f"{100 * value:+.{digits}f}" if change.is_share else f"{value:+.2g}").replace("-", "−")
        for value in numbers
    )
    return f"{whole}{' points' if change.is_share else ''}" + (f" ({' to '.join(ends)})" if ends else "")


def cautions(comparison: Comparison) -> Iterator[str]:
    """What else than the weights may be behind a change, and what cannot be told."""
    for side, label in _sides(comparison):
        if side.report.status != "done":
            yield f"{label} is not finished ({side.report.status}): go on with it before you judge."
    for row, lacking in comparison.missing:
        yield f"{lacking} has no {row.layer} under {row.prior}: not compared."
    differences = [*_of_requests(comparison), *_of_ends(comparison), *_of_settings(comparison)]
    if differences:
        yield f"Not run alike: {'; '.join(differences)}. A change may come from that."
    unseen = [x.name for x, y in comparison.photos if x.sha256 != y.sha256]
    if unseen:
        names = ", ".join(unseen[:MOST])
        yield f"The networks see {names} cut or sized differently; each is held against its own view."
    unmatched = [row for row in comparison.rows if _unmatched(row)]
    if unmatched:
        yield (
            f"Feature errors are not matched at {_rows(unmatched)}: what changed there may be how far the "
            "runs came. --until auto drives networks that are compared to one error; where folders are, run "
            f"each with --until LAYER=E, at the larger ({_larger(comparison, unmatched)})."
        )
    unread = [row for row in comparison.rows if not (_enough(row.a) and _enough(row.b))]
    if unread:
        yield (f"Not matched well enough to be read: {_rows(unread)}. Give both more steps.")
    silent = [row for row in comparison.rows if all(c.noise is None for c in _kept(row))]
    if silent:
        yield (
            f"The noise of what is kept is not known at {_rows(silent)}: it takes every photo from at least "
            "three seeds on both sides, and their pictures."
        )


def _of_requests(comparison: Comparison) -> Iterator[str]:
    requests = [side.report.request for side in (comparison.a, comparison.b)]
    for name in WORK:
        values = [request.get(name) for request in requests]
        if values[0] != values[1]:
            yield f"{name} {_said(values[0])} in A and {_said(values[1])} in B"
    seeds = [len(request.get("seeds") or ()) for request in requests]
    if seeds[0] != seeds[1]:
        yield f"seeds {seeds[0]} in A and {seeds[1]} in B"
    inputs = [side.report.network.input for side in (comparison.a, comparison.b)]
    for name in ("shape", "mean", "std"):
        values = [getattr(i, name) for i in inputs]
        if values[0] != values[1]:
            yield f"the input's {name} {values[0]} in A and {values[1]} in B"


def _of_ends(comparison: Comparison) -> Iterator[str]:
    """Where the rows' runs were to end, which `--until auto` says layer by layer."""
    unlike = []
    for row in comparison.rows:
        ends = [{run.until for run in runs} for runs in _runs(comparison, row)]
        if ends[0] != ends[1]:
            unlike.append((row, ends))
    if unlike:
        row, (a, b) = unlike[0]
        more = f" and {len(unlike) - 1} more" if len(unlike) > 1 else ""
        yield f"until {_end(a)} in A and {_end(b)} in B at {_rows([row])}{more}"


def _end(errors: set[float | None]) -> str:
    return _said(next(iter(errors))) if len(errors) == 1 else "several errors"


def _of_settings(comparison: Comparison) -> Iterator[str]:
    """Settings of priors and views that differ in what the rows ran with, whatever their requests said."""
    said = set()
    for row in comparison.rows:
        runs = _runs(comparison, row)
        if not all(runs):
            continue
        for text in _of_runs(runs[0][0], runs[1][0]):
            if text not in said:
                said.add(text)
                yield text


def _of_runs(a: Record, b: Record) -> Iterator[str]:
    for name in sorted({*a.settings, *b.settings}):
        values = [run.settings.get(name) for run in (a, b)]
        if values[0] != values[1]:
            yield f"{a.prior}.{name} {_said(values[0])} in A and {_said(values[1])} in B"
    if a.views != b.views:
        yield "the views of a step"


def _runs(comparison: Comparison, row: ComparedRow) -> list[list[Record]]:
    return [comparison.a.good_runs(row.a), comparison.b.good_runs(row.b)]


def _larger(comparison: Comparison, rows: list[ComparedRow]) -> str:
    """Of each layer, the error that all runs of both sides have reached."""
    largest: dict[str, float] = {}
    for row in rows:
        errors = [run.feature_error or 0.0 for runs in _runs(comparison, row) for run in runs]
        largest[row.name] = max([*errors, largest.get(row.name, 0.0)])
    return _some([f"{name} {rounded_up(error):.3g}" for name, error in largest.items()], MOST)


def _unmatched(row: ComparedRow) -> bool:
    change = row.changes.get("feature_error")
    if change is None or change.a is None or change.b is None:
        return False
    low, high = sorted((change.a, change.b))
    return high > 1e-6 and high > MATCHED * low


def _enough(row: LayerRow) -> bool:
    return row.match is None or row.match.enough


def _kept(row: ComparedRow) -> list[Change]:
    return [change for name, change in row.changes.items() if name.startswith("kept.")]


def _sides(comparison: Comparison) -> Iterator[tuple[Side, str]]:
    yield comparison.a, "A"
    yield comparison.b, "B"


def _size(change: Change) -> tuple[bool, float]:
    """Shares of what is kept by how much of them changed; then the others, by how far beyond noise."""
    assert change.change is not None and change.noise is not None
    if change.is_share:
        return True, abs(change.change)
    return False, abs(change.change) / (change.noise.half_width() or 1e-12)


def _listed(found: list[tuple[ComparedRow, Change]]) -> str:
    named = "; ".join(f"{_place(row)}: {c.name} {told(c)}" for row, c in found[:MOST])
    return named + (f"; and {len(found) - MOST} more" if len(found) > MOST else "")


def _place(row: ComparedRow) -> str:
    """A row by its names, which say where what comes back cannot be read, or may be how far the runs came."""
    read = _enough(row.a) and _enough(row.b) and not _unmatched(row)
    return f"{row.name}, {row.a.prior}{'' if read else ' (not matched)'}"


def _told(row: ComparedRow, change: Change) -> dict[str, Any]:
    return {
        "layer": row.a.layer,
        "layer_b": row.b.layer,
        "prior": row.a.prior,
        "measure": change.name,
        "change": change.change,
        "interval": change.interval and list(change.interval),
    }


def _rows(rows: list[ComparedRow]) -> str:
    named = ", ".join(f"{row.name} ({row.a.prior})" for row in rows[:MOST])
    return named + (f" and {len(rows) - MOST} more" if len(rows) > MOST else "")


def _some(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _said(value: object) -> str:
    return "by default" if value is None else str(value)


def _sure(top: TopClass) -> str:
    known = top.probability is not None and math.isfinite(top.probability)
    return f"{top.name} ({top.probability:.2f})" if known else top.name
