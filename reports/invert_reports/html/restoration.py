"""The page of restored pictures: each beside what was observed, the floors, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from markupsafe import Markup

from invert.report import SPEAKS, LayerRow, Numbers, PhotoRow, Record, Report, ReportedPhoto
from invert_reports.files import read_json
from invert_reports.html import provenance
from invert_reports.html.bars import Bars, bars
from invert_reports.html.curves import Curve, curve
from invert_reports.html.numbers import number, seconds, short
from invert_reports.html.pictures import Album
from invert_reports.html.vocabulary import Vocabulary, Words

AS_GOOD = 0.3
"""Decibels: a floor that is at most so much worse than the best result is pointed out."""
WHITE = 0.05
"""A correlation of neighbours in the residual that is at most this looks like noise."""
COLUMNS = ("psnr", "psnr_y", "psnr_missing", "ssim", "agreement", "residual_level", "residual_correlation")
"""The measures of the table, where they are known."""
ENDS = {
    "steps": "all its steps were done",
    "discrepancy": "discrepancy: as near to what was observed as its noise",
    "wmv": "wmv: where the pictures of 100 steps differed least",
    "emv": "emv: where the pictures of successive steps differed least",
    "plateau": "no more progress",
    "not finite": "the loss was not finite",
    "interrupted": "it was interrupted",
}


TRACED = (
    ("psnr", "PSNR of what would be the result, in RGB or of grey, over the whole picture", "dB"),
    ("loss", "error ‖A(x) − y‖² / ‖y‖², as no truth is known", ""),
)
"""What of a trace is drawn, the first that is there: its name, what it is, its unit."""


@dataclass
class Shown:
    """A picture of the comparison: `kind` is observed, floor, restored or truth."""

    kind: str
    name: str
    key: str | None
    measures: Numbers = field(default_factory=dict)
    seconds: float | None = None
    note: str = ""
    best: bool = False


@dataclass
class Residual:
    """What a result leaves of what was observed: is it noise?"""

    prior: str
    key: str
    told: str


@dataclass
class Uncertainty:
    """Where the seeds of a prior differ."""

    prior: str
    key: str
    told: str


@dataclass
class Part:
    """One picture under one prior: its row's entry and its runs."""

    row: LayerRow
    entry: PhotoRow
    runs: list[Record]


class RestoredView:
    """A report of restorations made ready for its template."""

    def __init__(self, report: Report, out: Path) -> None:
        self.report, self.out = report, out
        self.album = Album(out)
        self.vocabulary = Vocabulary(report.measures)
        self.pictures = [PictureView(self, picture) for picture in report.images]
        self.album.encode()
        for picture in self.pictures:
            picture.settle()

    @property
    def title(self) -> str:
        titles = list(dict.fromkeys(row.layer for row in self.report.layers))
        return " and ".join(titles) or "Restored pictures"

    @property
    def lede(self) -> str:
        pictures, priors = len(self.report.images), len({row.prior for row in self.report.layers})
        seeds = max((row.seeds for row in self.report.layers), default=1)
        counts = ((pictures, "picture"), (priors, "prior"), (seeds, "seed"))
        sizes = " × ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
        return f"{sizes} · {self.report.created[:10]}"

    @property
    def banner(self) -> str:
        return provenance.banner(self.report)

    @property
    def running(self) -> bool:
        return self.report.status == "running"

    @property
    def commands(self) -> list[tuple[str, str]]:
        return provenance.commands(self.report)

    @property
    def provenance(self) -> list[tuple[str, list[tuple[str, str]]]]:
        return provenance.sections(self.report)

    @property
    def tool(self) -> str:
        return provenance.tool(self.report)

    @property
    def speaks(self) -> str:
        """Of which channels and border the numbers under the pictures are; empty where none is known."""
        known = any(run.measures.get(self.report.headline or "") is not None for run in self.report.runs)
        return SPEAKS.get(self.report.headline or "", "") if known else ""

    @property
    def glossary(self) -> list[Words]:
        known = [row.measures for row in self.report.layers]
        known += [part.measures for row in self.report.layers for part in row.by_photo.values()]
        names = [name for values in known for name, value in values.items() if value is not None]
        return self.vocabulary.glossary(names)

    @property
    def failed(self) -> list[tuple[str, str]]:
        found = [
            (f"{run.layer}, {run.prior}, {run.image}, seed {run.seed}", run.error) for run in self.report.runs
        ]
        return [(place, reason) for place, reason in found if reason]

    def uri(self, key: str) -> str:
        return self.album.uris[key]


class PictureView:
    """One picture: what the page shows of it."""

    def __init__(self, page: RestoredView, picture: ReportedPhoto) -> None:
        self.page, self.picture = page, picture
        self.id, self.name = picture.id, picture.name
        album = page.album
        self._runs = runs = [run for run in page.report.runs if run.image == picture.id]
        self.parts = [
            Part(row, row.by_photo[picture.id], [run for run in runs if run.id in row.runs and not run.error])
            for row in page.report.layers
            if picture.id in row.by_photo
        ]
        self.waiting = [
            row.prior for row in page.report.layers if picture.id not in row.by_photo and row.runs
        ]
        self.observed_key = album.add(picture.observed, exact=True)
        self._truth_key = album.add(picture.file, exact=True)
        self._floor_keys = [album.add(floor.file) for floor in picture.floors]
        self._restored_keys = [
            album.add(part.entry.restored.file if part.entry.restored else None) for part in self.parts
        ]
        self._uncertain_keys = [
            album.add(part.entry.restored.uncertainty if part.entry.restored else None) for part in self.parts
        ]
        self._residual_keys = [
            album.residual(self.observed_key, key)
            if part.entry.restored and part.entry.restored.measures.get("residual_level") is not None
            else None
            for part, key in zip(self.parts, self._restored_keys, strict=True)
        ]

    def settle(self) -> None:
        """Once pictures are encoded: which there are."""
        there = self.page.album.there
        shown = [Shown("observed", "observed", there(self.observed_key), note="what came in")]
        for floor, key in zip(self.picture.floors, self._floor_keys, strict=True):
            note = f"failed: {floor.error}" if floor.error else floor.about
            shown.append(Shown("floor", floor.method, there(key), floor.measures, floor.seconds, note))
        for part, key in zip(self.parts, self._restored_keys, strict=True):
            restored = part.entry.restored
            if restored is not None:
                seeds = f"mean of {restored.seeds} seeds, " if restored.seeds > 1 else ""
                took = sum(run.seconds for run in part.runs)
                note = f"{seeds}{self.ended(part)}"
                shown.append(Shown("restored", part.row.prior, there(key), restored.measures, took, note))
        if self.picture.file is not None:
            shown.append(Shown("truth", "truth", there(self._truth_key)))
        values = [value for one in shown if (value := self.value(one)) is not None]
        for one in shown:
            one.best = bool(values) and self.value(one) == max(values)
        self.shown = shown

    def value(self, one: Shown) -> float | None:
        """By which pictures are compared."""
        return one.measures.get(self.page.report.headline or "psnr")

    def ended(self, part: Part) -> str:
        reasons = dict.fromkeys(run.stopped or "" for run in part.runs)
        steps = sorted({run.kept_step or run.steps for run in part.runs})
        at = " to ".join(f"{step:,}" for step in dict.fromkeys((steps[0], steps[-1]))) if steps else "–"
        return f"step {at}: {' and '.join(ENDS.get(reason, reason) for reason in reasons)}"

    @property
    def observed(self) -> str:
        """Through what it was seen, with the settings as they were for this picture."""
        if self.picture.about:
            return self.picture.about
        known = next((run.observed for part in self.parts for run in part.runs if run.observed), None)
        if known is None:
            return ""
        told = ", ".join(
            f"{name} {value}" for name, value in known.settings.items() if value not in ("", False, None)
        )
        return f"{known.operator}: {told}" if told else known.operator

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        return [(part.row.prior, part.entry.reading or "") for part in self.parts]

    @property
    def caution(self) -> str:
        """A floor of a second that is nearly as good, or better: empty where none is."""
        floors = [
            (value, one)
            for one in self.shown
            if one.kind == "floor" and (value := self.value(one)) is not None
        ]
        results = [
            value for one in self.shown if one.kind == "restored" and (value := self.value(one)) is not None
        ]
        if not floors or not results:
            return ""
        value, best = max(floors, key=lambda pair: pair[0])
        more = max(results) - value
        if more >= AS_GOOD:
            return ""
        how = "as good as" if more >= 0 else "better than"
        return (
            f"{best.name}, which takes {_took(best.seconds or 0.0)}, is {how} all that is here: "
            f"{value:.2f} dB, {abs(more):.2f} dB {'less' if more >= 0 else 'more'} than the best prior."
        )

    @property
    def columns(self) -> list[Words]:
        known = {n for one in self.shown for n, value in one.measures.items() if value is not None}
        names = [name for name in COLUMNS if name in known]
        first = self.page.report.headline or "psnr"
        names.sort(key=lambda name: name != first)
        return [self.page.vocabulary.words(name) for name in names]

    def fields(self, one: Shown) -> list[str]:
        return [self.page.vocabulary.text(words.name, one.measures.get(words.name)) for words in self.columns]

    def took(self, one: Shown) -> str:
        return "" if one.seconds is None else _took(one.seconds)

    def caption(self, one: Shown) -> str:
        value = self.value(one)
        told = [] if value is None else [f"{value:.2f} dB"]
        return ", ".join([*told, self.took(one)] if one.seconds else told)

    @property
    def residuals(self) -> list[Residual]:
        found = []
        for part, key in zip(self.parts, self._residual_keys, strict=True):
            there = self.page.album.there(key)
            restored = part.entry.restored
            if there is None or restored is None:
                continue
            level = restored.measures.get("residual_level")
            related = restored.measures.get("residual_correlation")
            told = f"level {short(level)} of 255"
            if related is not None:
                told += f", correlation of neighbours {related:.2f}: ".replace("-", "−")
                told += (
                    "like noise"
                    if abs(related) <= WHITE
                    else "parts of the picture are left in it"
                    if related > 0
                    else "finer than noise"
                )
            found.append(Residual(part.row.prior, there, told))
        return found

    @property
    def uncertainties(self) -> list[Uncertainty]:
        found = []
        for part, key in zip(self.parts, self._uncertain_keys, strict=True):
            there, restored = self.page.album.there(key), part.entry.restored
            if there is not None and restored is not None:
                told = (
                    f"{restored.seeds} seeds; white is a standard deviation of {short(restored.largest)} "
                    f"of 255, over all pixels it is {short(restored.spread)}"
                )
                found.append(Uncertainty(part.row.prior, there, told))
        return found

    @property
    def curves(self) -> list[tuple[str, Markup, str, str]]:
        """Of each prior: its name, the curve, what is drawn, and why it ended."""
        return [
            (part.row.prior, *drawn, self.ended(part)) for part in self.parts if (drawn := self._curve(part))
        ]

    def _curve(self, part: Part) -> tuple[Markup, str] | None:
        """PSNR where the truth is known, else the error."""
        traces = [(run, read_json(self.page.out, run.files.trace)) for run in part.runs]
        for name, what, unit in TRACED:
            made = [_curve_of(trace, name, run) for run, trace in traces if isinstance(trace, dict)]
            if curves := [one for one in made if one is not None]:
                return curve(curves, what, unit, log=not unit), what
        return None

    @cached_property
    def shares(self) -> list[tuple[str, Bars]]:
        """Kept, invented and free of each prior, where the truth is known and several seeds ran."""
        found = []
        for part in self.parts:
            told = next((b for b in bars(part.row) if b.photo == self.id and b.rows), None)
            if told is not None:
                found.append((part.row.prior, told))
        return found

    @property
    def disagreement(self) -> str:
        """For what was seen at another size: the model's error."""
        told = []
        for one in self.shown:
            value = one.measures.get("agreement")
            if value is not None and one.kind in ("restored", "truth", "floor") and value < 100:
                told.append(f"{one.name} {value:.1f} dB")
        seen_smaller = any(run.observed.operator == "downsample" for run in self._runs if run.observed)
        return ", ".join(told) if seen_smaller else ""


def _took(time: float) -> str:
    return f"{time:.2g} s" if time < 10 else seconds(time)


def _curve_of(trace: dict[str, object], name: str, run: Record) -> Curve | None:
    steps, values = trace.get("step"), trace.get(name)
    if not isinstance(steps, list) or not isinstance(values, list) or len(steps) != len(values):
        return None
    pairs = [
        (step, known)
        for step, value in zip(steps, values, strict=True)
        if (known := number(value)) is not None
    ]
    pairs = [(step, value) for step, value in pairs if isinstance(step, int)]
    if len(pairs) < 2:
        return None
    stride = max(1, len(pairs) // 300)
    thinned: Sequence[tuple[int, float]] = [*pairs[:-1:stride], pairs[-1]]
    return Curve(f"seed {run.seed}", thinned, run.kept_step, run.stopped or "")
