"""What changed in what is kept, between two networks or two checkpoints of one."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from invert.errors import RequestError

Report = Mapping[str, Any]

OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
THRESHOLD = re.compile(r"(?:layer (?P<layer>\S+) )?(?P<measure>\S+) (?P<test><=|>=|<|>) (?P<bound>\S+)")


@dataclass(frozen=True)
class Threshold:
    """A change that must not be: `layer fc6 kept.luminance < -0.05`; without a layer, in any."""

    text: str
    layer: str | None
    measure: str
    test: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """Raises `RequestError` for text of another form."""
        match = THRESHOLD.fullmatch(" ".join(text.split()))
        try:
            if match is None:
                raise ValueError
            return cls(text, match["layer"], match["measure"], match["test"], float(match["bound"]))
        except ValueError:
            raise RequestError(
                f"cannot read --fail-if {text!r}: it has the form [layer NAME] MEASURE < NUMBER, "
                'such as "layer fc6 kept.luminance < -0.05" (the change from A to B)'
            ) from None

    def broken_by(self, rows: list[dict[str, Any]]) -> list[str]:
        """A line for each row whose change is as the threshold says it must not be.

        Raises `RequestError` where no row has that layer and measure: it would never fail.
        """
        concerned = [row for row in rows if self.layer in (None, row["layer"], row["layer_b"])]
        changes = [(row, row["change"].get(self.measure)) for row in concerned]
        if all(change is None for _, change in changes):
            where = f"layer {self.layer} has" if self.layer else "the rows have"
            known = sorted({name for row in concerned or rows for name in row["change"]})
            raise RequestError(
                f"--fail-if {self.text!r}: {where} no {self.measure}; there is {', '.join(known)}"
            )
        return [
            f"layer {row['layer']}, {row['prior']}: {self.measure} changed by {change:+.3f} "
            f"({row['a'][self.measure]:.3f} to {row['b'][self.measure]:.3f})"
            for row, change in changes
            if change is not None and OPERATORS[self.test](change, self.bound)
        ]


def compare(a: Report, b: Report, pairs: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The rows that two reports share, with each measure's change from A to B.

    Layers go by name; `pairs` maps a layer of A to the layer of B it is set against. Raises
    `RequestError` where the photos differ, or no layer and prior is in both.
    """
    photos = [{image["name"] for image in report["images"]} for report in (a, b)]
    if photos[0] != photos[1]:
        different = ", ".join(sorted(photos[0] ^ photos[1])[:4])
        raise RequestError(f"the two runs are of different photos ({different}): run both on the same")
    of_b = {(row["layer"], row["prior"]): row for row in b["layers"]}
    rows = [
        _row(row, other)
        for row in a["layers"]
        if (other := of_b.get(((pairs or {}).get(row["layer"], row["layer"]), row["prior"]))) is not None
    ]
    if not rows:
        names = [", ".join(dict.fromkeys(row["layer"] for row in report["layers"])) for report in (a, b)]
        raise RequestError(
            f"no layer and prior is in both: A has {names[0]}; B has {names[1]} (pair with A=B)"
        )
    return {
        "schema": 1,
        "a": {"subject": a["subject"], "command": a["command"]},
        "b": {"subject": b["subject"], "command": b["command"]},
        "tool": a["tool"],
        "images": a["images"],
        "measures": a["measures"],
        "rows": rows,
    }


def _row(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: (value, b["measures"].get(name)) for name, value in a["measures"].items()}
    return {
        "layer": a["layer"],
        "layer_b": b["layer"],
        "prior": a["prior"],
        "photos": a["photos"],
        "seeds": a["seeds"],
        "a": {name: pair[0] for name, pair in numbers.items()},
        "b": {name: pair[1] for name, pair in numbers.items()},
        "change": {name: y - x for name, (x, y) in numbers.items() if x is not None and y is not None},
        "runs_a": a["runs"],
        "runs_b": b["runs"],
        "reading_a": a["reading"],
        "reading_b": b["reading"],
    }
