"""`--fail-if`: a change that must not be, decided on its interval."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from invert.errors import RequestError, unknown
from invert.report import LayerRow
from invert.sweeps.codes import code_interval
from invert.sweeps.compare import ComparedRow, Comparison
from invert.sweeps.intervals import CONFIDENCE

THRESHOLD = re.compile(r"(?:layer (?P<layer>.+) )?(?P<measure>\S+) (?P<test><=|>=|<|>) (?P<bound>\S+)")
CODE = "code_change"
"""How far the codes of the photos are apart, which no inversion and no seed has a part in."""
UNFINISHED = ("running", "interrupted", "failed")


@dataclass(frozen=True)
class Threshold:
    """A change that must not be: `layer fc6 kept.luminance < -0.05`; without a layer, in any."""

    text: str
    layer: str | None
    measure: str
    below: bool
    bound: float

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Raises `RequestError` for text of another form, or a bound that is no finite number."""
        match = THRESHOLD.fullmatch(" ".join(text.split()))
        try:
            if match is None or not math.isfinite(bound := float(match["bound"])):
                raise ValueError
        except ValueError:
            raise RequestError(
                f"cannot read --fail-if {text!r}: it has the form [layer NAME] MEASURE < NUMBER, the number "
                'finite, such as "layer fc6 kept.luminance < -0.05" (the change from A to B)'
            ) from None
        return cls(text, match["layer"], match["measure"], match["test"].startswith("<"), bound)

    @property
    def needs_seeds(self) -> bool:
        """Whether it is decided beyond the noise between seeds; the codes have none."""
        return self.measure != CODE

    def names(self, row: LayerRow) -> bool:
        return self.layer is None or self.layer == row.layer or self.layer in row.aliases

    def holds(self, low: float, high: float) -> bool:
        """Whether the whole interval is beyond the bound."""
        return high < self.bound if self.below else low > self.bound


@dataclass
class Judgement:
    """What a threshold found: it has failed where `failures` has a line; `floors` tell the noise."""

    threshold: Threshold
    failures: list[str] = field(default_factory=list)
    floors: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "threshold": self.threshold.text,
            "failed": bool(self.failures),
            "failures": self.failures,
            "floors": self.floors,
        }


def judge(thresholds: Sequence[Threshold], comparison: Comparison) -> list[Judgement]:
    """Each threshold decided. One fails where a whole interval is beyond it, and where it cannot be told.

    The intervals hold all at once, over every number that any of the thresholds looks at: where nothing but
    the seeds differs, one comparison in twenty fails at most. Codes, which no seed moves, are judged within
    what their sketches tell. Raises `RequestError` for a layer or
    measure that is in neither run: it would never fail.
    """
    concerned = [_concerned(threshold, comparison) for threshold in thresholds]
    noisy = [rows for t, rows in zip(thresholds, concerned, strict=True) if t.needs_seeds]
    count = sum(map(len, noisy))
    confidence = 1 - (1 - CONFIDENCE) / max(count, 1)
    return [
        _judged(threshold, rows, comparison, confidence)
        for threshold, rows in zip(thresholds, concerned, strict=True)
    ]


def _judged(
    threshold: Threshold, rows: list[ComparedRow], comparison: Comparison, confidence: float
) -> Judgement:
    found = Judgement(threshold)
    for side, label in ((comparison.a, "A"), (comparison.b, "B")):
        if side.report.status in UNFINISHED:
            found.failures.append(f"{label} is not finished ({side.report.status}): it cannot be judged")
    for lost, lacking in comparison.missing:
        if threshold.names(lost) and (lacking == "B" or threshold.layer is not None):
            found.failures.append(f"{lacking} has no {lost.layer} under {lost.prior}: it cannot be judged")
    for row in rows:
        if threshold.needs_seeds:
            _at_number(found, row, confidence)
        else:
            _at_code(found, row)
    if not found.failures and not found.floors:
        raise RequestError(f"--fail-if {threshold.text!r}: no row has a value of {threshold.measure}")
    return found


def _at_number(found: Judgement, row: ComparedRow, confidence: float) -> None:
    change = row.changes[found.threshold.measure]
    where = f"{row.name}, {row.a.prior}: {change.name}"
    if change.change is None:
        if change.a is not None or change.b is not None:
            lacking = "A" if change.a is None else "B"
            found.failures.append(f"{where} has no value in {lacking}: it cannot be judged")
    elif change.noise is None:
        found.failures.append(
            f"{where}: the noise is not known (every photo from three seeds or more): it cannot be judged"
        )
    else:
        width = change.noise.half_width(confidence)
        found.floors.append(f"{where} changed by {_signed(change.change)}, noise floor ±{width:.3f}")
        low, high = change.change - width, change.change + width
        if found.threshold.holds(low, high):
            a, b = change.shown
            found.failures.append(
                f"{where} changed by {_signed(change.change)} ({_signed(low)} to {_signed(high)}), "
                f"from {a:.3f} to {b:.3f}"
            )


def _signed(change: float) -> str:
    return f"{round(change, 3) + 0.0:+.3f}"  # no negative zero


def _at_code(found: Judgement, row: ComparedRow) -> None:
    where = f"{row.name}: {CODE}"
    if row.code_change is None:
        found.failures.append(
            f"{where} is not known (codes of one shape, sketched on both sides): it cannot be judged"
        )
        return
    low, high = code_interval(row.code_change, CONFIDENCE)
    told = f"{where} is {row.code_change:.2g} ({low:.2g} to {high:.2g})" if high else f"{where} is 0"
    found.floors.append(told)
    if found.threshold.holds(low, high):
        found.failures.append(told)


def _concerned(threshold: Threshold, comparison: Comparison) -> list[ComparedRow]:
    """The rows it looks at. Raises `RequestError` for a name that neither run has."""
    rows = [*comparison.a.report.layers, *comparison.b.report.layers]
    if threshold.layer is not None and not any(map(threshold.names, rows)):
        raise _unknown(threshold, "layer", threshold.layer, (row.layer for row in rows))
    named = [row for row in comparison.rows if threshold.names(row.a) or threshold.names(row.b)]
    if threshold.measure == CODE:  # the same under every prior
        return list({(row.a.layer, row.b.layer): row for row in named}.values())
    if not any(threshold.measure in row.measures for row in rows):
        names = (name for row in rows for name in row.measures)
        raise _unknown(threshold, "measure", threshold.measure, [*names, CODE])
    return [row for row in named if threshold.measure in row.changes]


def _unknown(threshold: Threshold, kind: str, name: str, known: Iterable[str]) -> RequestError:
    return RequestError(f"--fail-if {threshold.text!r}: {unknown(kind, name, dict.fromkeys(known))}")
