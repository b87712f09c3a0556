"""`--figure FILE.{png,pdf,svg}`: the grid, layers × priors, at publication quality."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from invert.errors import RequestError
from reports.files import Json, inside, read_report, write_atomically
from reports.numbers import short
from reports.study import Cell, Row, Study, studies

FORMATS = ("png", "pdf", "svg")
CELL, LABEL, HEAD, GAP = 1.25, 0.95, 0.28, 0.06
"""Inches: a picture's side, the layers' names, the priors' names, and between pictures."""

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 8,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "invert",
    "text.parse_math": False,  # names are names, whatever they contain
}


def write_figure(out: Path, file: Path, *, photo: str | None = None, seed: int | None = None) -> Path:
    """Draw the report in `out` as a figure; the suffix of `file` says in which format.

    `photo` (an image's id) and `seed` choose the runs; the first of each are the default.
    """
    out, file = Path(out), Path(file)
    kind = file.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise RequestError(f"cannot draw a figure as {file.name!r}: name it .png, .pdf or .svg")
    found = [study for study in studies(read_report(out)) if study.rows or study.gallery]
    if not found:
        raise RequestError(f"{out} has no runs to draw yet")
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure = _grid(out, found[0], photo, seed)
        # Without a date the same report gives the same file.
        metadata = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
        figure.savefig(buffer, format=kind, dpi=300, metadata=metadata)
    return write_atomically(file, buffer.getvalue())


def _grid(out: Path, study: Study, photo: str | None, seed: int | None) -> Figure:
    rows = study.rows or study.gallery
    columns = study.columns if study.rows else study.gallery_columns
    original = _original(study, photo) if study.rows else None
    heads = (["original"] if original else []) + [column.label for column in columns]
    caption = 0.17

    width = LABEL + len(heads) * (CELL + GAP)
    height = HEAD + len(rows) * (CELL + caption + GAP) + GAP
    figure = Figure(figsize=(width, height))
    for c, head in enumerate(heads):
        figure.text(
            (LABEL + c * (CELL + GAP) + CELL / 2) / width, 1 - 0.16 / height, head, ha="center", va="center"
        )
    for r, row in enumerate(rows):
        top = HEAD + r * (CELL + caption + GAP)
        figure.text(
            (LABEL - 0.1) / width, 1 - (top + CELL / 2) / height, _wrapped(row), ha="right", va="center"
        )
        pictures = [(cell, _chosen(cell, original, seed)) for cell in row.cells]
        entries: list[tuple[NDArray[Any] | None, str]] = [
            (_pixels(out, run), _caption(run)) for _, run in pictures
        ]
        if original:
            first = (_read(out, original.get("file")), "") if r == 0 else (None, "")
            entries.insert(0, first)
        for c, (pixels, text) in enumerate(entries):
            left = LABEL + c * (CELL + GAP)
            if pixels is not None:
                box = (left / width, 1 - (top + CELL) / height, CELL / width, CELL / height)
                axes = figure.add_axes(box)
                axes.imshow(pixels, interpolation="lanczos" if pixels.shape[0] < 100 else "antialiased")
                axes.set_axis_off()
            place = ((left + CELL / 2) / width, 1 - (top + CELL + caption / 2) / height)
            figure.text(*place, text, ha="center", va="center", fontsize=6.5, color="0.35")
    return figure


def _original(study: Study, photo: str | None) -> Json | None:
    known = {str(entry.get("id")): entry for entry in study.photos}
    if photo is None:
        return next(iter(known.values()), None)
    if photo not in known:
        raise RequestError(f"no photo {photo!r} in the report: choose from {', '.join(known)}")
    return known[photo]


def _chosen(cell: Cell, original: Json | None, seed: int | None) -> Json | None:
    """The run to draw: of the photo, with the seed, or else the first that did not fail."""
    runs = [run for run in cell.runs if original is None or run.get("image") == original.get("id")]
    runs = [run for run in runs if seed is None or run.get("seed") == seed]
    return next((run for run in runs if not run.get("error")), next(iter(runs), None))


def _pixels(out: Path, run: Json | None) -> NDArray[Any] | None:
    return _read(out, (run.get("files") or {}).get("image")) if run else None


def _read(out: Path, name: object) -> NDArray[Any] | None:
    file = inside(out, name)
    if file is None:
        return None
    try:
        with Image.open(file) as opened:
            return np.asarray(opened.convert("RGB"))
    except Exception:  # whatever a broken file makes Pillow stumble over
        return None


def _caption(run: Json | None) -> str:
    if run is None:
        return "not run"
    if run.get("error"):
        return "failed"
    if run.get("feature_error") is not None:
        return f"feature error {short(run['feature_error'])}"
    return f"seed {run.get('seed')}"


def _wrapped(row: Row, most: int = 16) -> str:
    """A long module path over several lines, broken at its dots."""
    lines = [""]
    for part in row.name.replace(".", ".\0").split("\0"):
        if lines[-1] and len(lines[-1]) + len(part) > most:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
