"""`--figure FILE.{png,pdf,svg}`: the grid of priors and layers at publication quality."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from invert.errors import RequestError
from invert.files import write_whole
from invert.pictures import read_own
from invert.report import Record, ReportedPhoto, read_report
from invert_reports.files import inside
from invert_reports.html.numbers import short
from invert_reports.study import Crossing, NetworkStudy, studies

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")
WIDTH = 7.2
"""Inches: the text width of a two-column page, which the figure never exceeds."""

LARGEST, LABEL, LINE, CAPTION, GAP = 1.3, 0.55, 0.13, 0.16, 0.05
"""Inches: a picture's side at most, the priors' names, a line of text, a caption, and between pictures."""

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
    import matplotlib  # half a second, which a page does not need

    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names in scripts that the font does not have
        figure = _grid(out, found[0], photo, seed)
        # Without a date the same report gives the same file.
        metadata = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
        figure.savefig(buffer, format=kind, dpi=300, metadata=metadata)
    return write_whole(file, buffer.getvalue())


def _grid(out: Path, study: NetworkStudy, photo: str | None, seed: int | None) -> Figure:
    """Layers (or targets) from left to right, a row a prior, the original at the left of the first row."""
    from matplotlib.figure import Figure

    rows = study.rows or study.gallery
    columns = study.columns if study.rows else study.gallery_columns
    original = _original(study, photo) if study.rows else None
    side = min(LARGEST, (WIDTH - LABEL) / (len(rows) + bool(original)) - GAP)
    names = [_wrapped(row.name, most=max(6, int(side / 0.062))) for row in rows]
    head = LINE * (1 + max(name.count("\n") + 1 for name in names))
    size = (
        LABEL + (len(rows) + bool(original)) * (side + GAP),
        head + len(columns) * (side + CAPTION + GAP),
    )
    figure = Figure(figsize=size)

    def place(column: int, row: int) -> tuple[float, float]:
        """The left and upper corner of a picture, in inches from the left and from the top."""
        return LABEL + column * (side + GAP), head + row * (side + CAPTION + GAP)

    def write(x: float, y: float, text: str, **style: Any) -> None:
        figure.text(x / size[0], 1 - y / size[1], text, ha="center", **{"va": "center", **style})

    def draw(column: int, row: int, pixels: NDArray[Any] | None, caption: str) -> None:
        left, top = place(column, row)
        if pixels is not None:
            box = (left / size[0], 1 - (top + side) / size[1], side / size[0], side / size[1])
            axes = figure.add_axes(box)
            axes.imshow(pixels, interpolation="antialiased")
            axes.set_axis_off()
        write(left + side / 2, top + side + CAPTION / 2, caption, fontsize=6, color="0.35")

    if original:
        write(place(0, 0)[0] + side / 2, head - LINE / 2, "original", va="bottom")
        draw(0, 0, _read(out, original.file), "")
    for r, column in enumerate(columns):
        write(LABEL / 2, place(0, r)[1] + side / 2, column.label, rotation=90)
    for c, (row, name) in enumerate(zip(rows, names, strict=True), start=int(bool(original))):
        write(place(c, 0)[0] + side / 2, head - LINE / 2, name, va="bottom")
        for r, crossing in enumerate(row.crossings):
            run = _chosen(crossing, original, seed)
            draw(c, r, _pixels(out, run), _caption(run))
    return figure


def _original(study: NetworkStudy, photo: str | None) -> ReportedPhoto | None:
    known = {entry.id: entry for entry in study.photos}
    if photo is None:
        return next(iter(known.values()), None)
    if photo not in known:
        raise RequestError(f"no photo {photo!r} in the report: choose from {', '.join(known)}")
    return known[photo]


def _chosen(crossing: Crossing, original: ReportedPhoto | None, seed: int | None) -> Record | None:
    """The run to draw: of the photo, with the seed, or else the first that did not fail."""
    runs = [run for run in crossing.runs if original is None or run.image == original.id]
    runs = [run for run in runs if seed is None or run.seed == seed]
    return next((run for run in runs if not run.error), next(iter(runs), None))


def _pixels(out: Path, run: Record | None) -> NDArray[Any] | None:
    return _read(out, run.files.image) if run else None


def _read(out: Path, name: str | None) -> NDArray[Any] | None:
    file = inside(out, name)
    if file is None:
        return None
    try:
        return np.asarray(read_own(file).convert("RGB"))
    except RequestError:
        return None


def _caption(run: Record | None) -> str:
    if run is None:
        return "not run"
    if run.error:
        return "failed"
    return f"seed {run.seed}" if run.feature_error is None else f"error {short(run.feature_error)}"


def _wrapped(name: str, most: int) -> str:
    """A long name over several lines, broken after its dots and spaces."""
    lines = [""]
    for part in re.split(r"(?<=[. ])", name):
        if lines[-1] and len(lines[-1]) + len(part) > most:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
