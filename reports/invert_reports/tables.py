"""The numbers of a report as CSV: a row a run, and a row a layer and prior."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invert.files import write_whole
from invert.report import LayerRow, Record, read_report

RUN = (
    "id", "objective", "layer", "target", "target_index", "prior", "image", "seed", "steps", "seconds",
    "stopped", "error", "device", "precision", "parameters", "feature_error",
)  # fmt: skip
FORMULA = tuple("=+-@＝＋－＠")
"""What a formula begins with, perhaps after blanks; the wide signs are read as the narrow ones."""

NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

LAYER = ("layer", "prior", "depth", "type", "share", "reading")


def write_tables(out: Path) -> list[Path]:
    """Write `runs.csv` and `layers.csv` beside `report.json`; returns their paths."""
    out = Path(out)
    report = read_report(out)
    merged = ("source",) if report.sources else ()
    return [
        write_whole(out / "runs.csv", _csv(report.runs, (*RUN, *merged), ("measures",))),
        write_whole(out / "layers.csv", _csv(report.layers, (*LAYER, *merged), ("measures", "spread"))),
    ]


def _csv(entries: Sequence[Record | LayerRow], fields: Sequence[str], mappings: Sequence[str]) -> bytes:
    """Columns for the fields, then one for each name in the mappings (`spread.NAME` for the second)."""
    keys = [
        (mapping, name)
        for mapping in mappings
        for name in dict.fromkeys(name for entry in entries for name in getattr(entry, mapping))
    ]
    heads = [*fields, *(name if mapping == "measures" else f"{mapping}.{name}" for mapping, name in keys)]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow([_plain(head) for head in heads])
    for entry in entries:
        values = [getattr(entry, field) for field in fields]
        values += [getattr(entry, mapping).get(name) for mapping, name in keys]
        writer.writerow([_plain(value) for value in values])
    return stream.getvalue().encode("utf-8")


def _plain(value: Any) -> Any:
    """Text as one line, with an apostrophe before what a spreadsheet would take for a formula."""
    if not isinstance(value, str):
        return value
    text = " ".join(value.replace("\0", "").splitlines())
    begins = next((c for c in text if c.isprintable() and not c.isspace()), "")
    acts = begins in FORMULA or value.lstrip(" ").startswith(("\t", "\r"))
    return f"'{text}" if acts and not NUMBER.fullmatch(text) else text
