"""What a report calls its numbers: their order, their labels, and how each is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from invert.report import Match, Numbers, ReportedMeasure
from invert_reports.files import Json
from invert_reports.html.numbers import (
    SHARES,
    clipped,
    facet_label,
    give_or_take,
    in_order,
    percent,
    share,
    short,
)

UNITS = ("dB", "px", "pixels", "nats", "bits", "%")
"""Units written behind a number; the others are told where the number is explained."""

PLACES = ("caption", "chart", "table")
"""From the most prominent place to the least: so numbers are ordered."""

OWN = "feature_error"
"""A run's own number (docs/files.md), which every report has, described or not."""

ERROR = ReportedMeasure(
    title="feature error",
    unit="share of ‖Φ₀‖²",
    range=[0, None],
    better="lower",
    source="‖Φ − Φ₀‖² / ‖Φ₀‖² at the layer inverted, of the picture kept, in fp32",
)


@dataclass(frozen=True)
class Words:
    """What a number is, as text."""

    name: str
    label: str
    short: str
    title: str
    unit: str
    range: str
    better: str
    source: str
    place: str

    @property
    def hint(self) -> str:
        """All of it in one line, for a tooltip."""
        return " · ".join(part for part in (self.title, self.unit, self.better, self.source) if part)


class Entry(NamedTuple):
    """One number, ready to be shown."""

    words: Words
    value: str

    @property
    def known(self) -> bool:
        return self.value != "–"

    def shown(self) -> tuple[str, str, str]:
        return self.words.label, self.value, self.words.hint

    def in_short(self) -> tuple[str, str, str]:
        return self.words.short, self.value, self.words.hint


def match_in_words(match: Match) -> str:
    """How small a feature error is for its layer: against how many pairs of unlike pictures, by how much."""
    pairs = max(match.pairs, 1)
    share = 100 * (pairs + 1 - round(match.percentile * (pairs + 1) / 100)) // pairs
    return f"smaller than {share} % of {pairs} pairs of unlike {match.of}, {match.decibels} below them"


def match_in_short(match: Match) -> tuple[str, str, str]:
    """The same as a label, a value and a hint, for under a picture."""
    hint = f"The feature error is {match_in_words(match)}"
    ends = {True: "; the loss was still falling", False: "; the loss had stopped falling", None: ""}
    short = "" if match.enough else " (too little)"
    return "match", f"{match.in_short}{short}", hint + ends[match.falling]


class Vocabulary:
    """The descriptions under `measures` of a report."""

    def __init__(self, measures: Mapping[str, ReportedMeasure]) -> None:
        self.measures = {OWN: ERROR, **measures}
        self._order = {name: n for n, name in enumerate(self.measures)}

    def split(self, name: str) -> tuple[str, str]:
        """`kept.cycles.4-8` → `kept` and the facet `cycles.4-8`; a number that is none has the facet ``."""
        group, _, facet = name.partition(".")
        return (name, "") if name in self.measures else (group, facet)

    def facet(self, name: str) -> str:
        return self.split(name)[1]

    def described(self, name: str) -> ReportedMeasure:
        """What the report says that a number is: of itself, or of the group whose facet it is."""
        return self.measures.get(self.split(name)[0]) or ReportedMeasure()

    def words(self, name: str) -> Words:
        known = self.described(name)
        group, facet = self.split(name)
        title = known.title or group.replace("_", " ")
        low, high = known.ends
        label = f"{group}, {facet_label(facet)}" if facet else _label(title)
        return Words(
            name=name,
            label=label,
            short=label if facet else known.short or label,
            title=title,
            unit=known.unit,
            range=f"{'−∞' if low is None else short(low)} to {'∞' if high is None else short(high)}",
            better={"higher": "higher is better", "lower": "lower is better"}.get(known.better, ""),
            source=known.source,
            place=PLACES[0] if name == OWN else known.place if known.place in PLACES else PLACES[-1],
        )

    def ordered(self, names: Iterable[str]) -> list[str]:
        """The most prominent first, then as described, a group's facets from coarse to fine; others last."""
        names = list(dict.fromkeys(names))
        facets = {facet: n for n, facet in enumerate(in_order({self.facet(name) for name in names}))}

        def place(name: str) -> tuple[int, int, int]:
            group, facet = self.split(name)
            rank = self._order.get(group, len(self._order))
            return PLACES.index(self.words(name).place), rank, facets[facet]

        return sorted(names, key=place)

    def entries(self, values: Mapping[str, float | None]) -> list[Entry]:
        return [self.entry(name, values[name]) for name in self.ordered(values)]

    def entry(self, name: str, value: float | None) -> Entry:
        words = self.words(name)
        text = self.text(name, value)
        return Entry(words, f"{text} {words.unit}" if value is not None and words.unit in UNITS else text)

    def text(self, name: str, value: float | None) -> str:
        """A number in the digits that are usual for its unit, without the unit."""
        if value is not None and self.described(name).unit == "dB":
            return f"{round(value, 1) + 0.0:.1f}".replace("-", "−")  # no negative zero
        # Estimates of shares may lie a little outside of 0 to 1: as people read them, they do not.
        return short(clipped(value) if value is not None and self._is_share(name) else value)

    def _is_share(self, name: str) -> bool:
        return self.described(name).unit in ("share", "share of T")

    def head(self, name: str) -> dict[str, str]:
        """The head of a table's column of that number."""
        words = self.words(name)
        group, facet = self.split(name)
        return {
            "text": facet_label(facet) if facet else words.short,
            "unit": "" if facet else words.unit,
            "hint": words.hint,
            "group": group if facet else "",
        }

    def glossary(self, names: Iterable[str]) -> list[Words]:
        """What each number is; one entry for all facets of a group."""
        found: dict[str, Words] = {}
        for name in self.ordered(names):
            group, facet = self.split(name)
            words = self.words(name)
            if facet and group not in found:
                title = words.title if words.title.startswith(group) else group
                words = Words(**{**vars(words), "name": f"{group}.FACET", "title": title})
            found.setdefault(group, words)
        return list(found.values())

    def matrix(self, measures: Numbers, controls: Mapping[str, Numbers], spread: Numbers) -> Json | None:
        """Facets as rows, what is known of each as columns, the controls' kept share at the end."""
        known = [name for name, value in measures.items() if value is not None and self.facet(name)]
        facets = in_order({self.facet(name) for name in known})
        here = {self.split(name)[0] for name in known}
        groups = [group for group in dict.fromkeys((*SHARES, *self.ordered(here))) if group in here]
        rows = []
        for facet in facets:
            told = [
                give_or_take(measures.get(name), spread.get(name))
                if self._is_share(name)
                else percent(measures.get(name))
                for name in (f"{group}.{facet}" for group in groups)
            ]
            told += [share(control.get(f"{SHARES[0]}.{facet}")) for control in controls.values()]
            rows.append([facet_label(facet), *told])
        heads = ["facet", *groups, *(f"{SHARES[0]}, {name}" for name in controls)]
        return {"heads": heads, "rows": rows} if rows else None


def _label(title: str) -> str:
    """A title up to its first qualification: `SSIM to the photo (luminance)` → `SSIM to the photo`."""
    return re.split(r" ?[,:;(=]| ‖", title, maxsplit=1)[0] or title
