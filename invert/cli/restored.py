"""The last lines of `invert restore`: what came of each picture, beside the floors, and where it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from invert.cli.terminal import PATH
from invert.errors import plain
from invert.report import SPEAKS, Report


def show_restored(report: Report, out: Path, to_error: bool = False) -> None:
    """Print a line a restored picture, on standard output or standard error."""
    with suppress(BrokenPipeError):
        for line in lines(report, out):
            print(line, file=sys.stderr if to_error else sys.stdout)


def lines(report: Report, out: Path) -> Iterator[str]:
    names = {picture.id: picture.name for picture in report.images}
    speaks = SPEAKS.get(report.headline or "")
    for row in report.layers:
        for photo, part in row.by_photo.items():
            restored = part.restored
            if restored is None or restored.file is None:
                continue
            seeds = f", mean of {restored.seeds} seeds" if restored.seeds > 1 else ""
            told = f"{names.get(photo, photo)}, {row.layer}, {row.prior}{seeds}: {part.reading}"
            yield plain(told, PATH)
            yield f"  {plain(str(out / restored.file), PATH)}"
    if speaks and any(picture.file for picture in report.images):
        yield f"dB: {speaks}"
