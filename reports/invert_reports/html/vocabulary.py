"""What a report calls its numbers: their order, their labels, and how each is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from invert_reports.files import Json
from invert_reports.html.numbers import (
    GROUPS,
    describe,
    facet_label,
    facet_of,
    hint,
    in_order,
    number,
    percent,
    short,
)

UNITS = ("dB", "px", "pixels", "nats", "bits", "%")
"""Units written behind a number; the others are told where the number is explained."""


SHORT = {
    "class_divergence": "KL divergence",
    "place_chance": "place by chance",
    "psnr": "PSNR",
    "same_top1": "same top 1",
    "ssim": "SSIM",
    "target_score": "score",
    "target_probability": "probability",
    "target_rank": "rank",
    "judge_probability": "judge’s probability",
    "judge_rank": "judge’s rank",
}
"""Labels for where there is little room: under pictures and over columns, which say the rest in a tooltip."""


class Entry(NamedTuple):
    """One number, ready to be shown."""

    label: str
    value: str
    hint: str
    name: str

    @property
    def known(self) -> bool:
        return self.value != "–"

    def shown(self) -> tuple[str, str, str]:
        return self.label, self.value, self.hint

    def in_short(self) -> tuple[str, str, str]:
        return SHORT.get(self.name, self.label), self.value, self.hint


class Vocabulary:
    """The descriptions under `measures` of a report."""

    def __init__(self, measures: object) -> None:
        known = measures if isinstance(measures, Mapping) else {}
        self.measures: Json = {name: entry for name, entry in known.items() if isinstance(entry, dict)}

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Names in the order of their descriptions, a group's facets from coarse to fine; others last."""
        names = list(dict.fromkeys(names))
        order = {name: n for n, name in enumerate(self.measures)}
        facet_order = {facet: n for n, facet in enumerate(in_order({facet_of(name) for name in names}))}

        def place(name: str) -> tuple[bool, int, int]:
            group = name.partition(".")[0] if facet_of(name) else name
            rank = order.get(name, order.get(group, len(order)))
            return name != "feature_error", rank, facet_order[facet_of(name)]

        return sorted(names, key=place)

    def entries(self, values: Mapping[str, Any]) -> list[Entry]:
        return [self.entry(name, values[name]) for name in self.ordered(values)]

    def entry(self, name: str, value: Any) -> Entry:
        known = describe(name, self.measures)
        text = self.text(name, value)
        if number(value) is not None and known["unit"] in UNITS:
            text += f" {known['unit']}"
        return Entry(known["label"], text, hint(known), name)

    def text(self, name: str, value: Any) -> str:
        """A number in the digits that are usual for its unit, without the unit."""
        known = number(value)
        if known is not None and describe(name, self.measures)["unit"] == "dB":
            return f"{known:.1f}".replace("-", "−")
        return short(value)

    def head(self, name: str) -> dict[str, str]:
        """The head of a table's column of that number."""
        known = describe(name, self.measures)
        facet = facet_of(name)
        return {
            "text": facet_label(facet) if facet else SHORT.get(name, known["label"]),
            "unit": "" if facet else known["unit"],
            "hint": hint(known),
            "group": name.partition(".")[0] if facet else "",
        }

    def glossary(self, names: Iterable[str]) -> list[dict[str, str]]:
        """What each number is; one entry for all facets of a group."""
        found: dict[str, dict[str, str]] = {}
        for name in self.ordered(names):
            known = describe(name, self.measures)
            if not facet_of(name):
                found[name] = known
                continue
            group = name.partition(".")[0]
            title = known["title"] if known["title"].startswith(group) else group
            found.setdefault(group, {**known, "name": f"{group}.FACET", "title": title})
        return list(found.values())


def matrix(measures: Mapping[str, Any], controls: Mapping[str, Mapping[str, Any]]) -> Json | None:
    """Facets as rows, what is known of each as columns, the controls' kept share at the end."""
    facets = in_order({facet_of(name) for name in measures if number(measures[name]) is not None} - {""})
    groups = [g for g in GROUPS if any(number(measures.get(f"{g}.{f}")) is not None for f in facets)]
    rows = []
    for facet in facets:
        values = [measures.get(f"{group}.{facet}") for group in groups]
        values += [control.get(f"kept.{facet}") for control in controls.values()]
        rows.append([facet_label(facet), *(percent(number(value)) for value in values)])
    heads = ["facet", *groups, *(f"kept, {name}" for name in controls)]
    return {"heads": heads, "rows": rows} if rows else None
