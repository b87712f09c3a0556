"""`--show`: pictures at the terminal, by kitty's or sixel's graphics where it has them, else as blocks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from PIL.Image import Image
from rich.columns import Columns
from rich.console import Console, Group
from rich.text import Text

from invert import pictures
from invert.cli.terminal import tell
from invert.errors import RequestError, one_line, plain
from invert.report import Record, Report

MOST = 24
"""Pictures that are shown at most; the page has them all."""
WIDTH = 24
"""Of one, in columns."""


def show_pictures(report: Report, out: Path, to_error: bool = False) -> None:
    """A picture a row and prior, and of each class or unit: those of the first photo and seed."""
    console = Console(file=sys.stderr if to_error else sys.stdout)
    if not console.is_terminal:
        return
    try:
        _print(console, list(_chosen(report, out)))
    except BrokenPipeError:
        raise
    except Exception as error:  # a terminal that says nothing of its size, or something odd of itself
        tell(f"--show: this terminal shows no pictures ({one_line(error)}); the page does")


def _print(console: Console, chosen: list[tuple[str, Image]]) -> None:
    # The import asks the terminal what it can show.
    from textual_image.renderable import HalfcellImage
    from textual_image.renderable import Image as Renderable

    width = min(WIDTH, console.width - 2)
    shown = [
        Group(Renderable(picture, width=width, height="auto"), Text(plain(title, width)))
        for title, picture in chosen[:MOST]
    ]
    if Renderable is HalfcellImage:  # text, which stands beside text
        console.print(Columns(shown, padding=(1, 2)))
    else:
        console.print(*shown, sep="\n")
    if len(chosen) > MOST:
        console.print(f"… and {len(chosen) - MOST} more on the page")


def _chosen(report: Report, out: Path) -> Iterator[tuple[str, Image]]:
    """What to call each picture, and the picture."""
    photos: set[str] = set()
    for photo in report.images[:1]:
        photos.add(photo.id)
        yield from _opened(photo.name, out, photo.file)
    seen: set[tuple[str | None, ...]] = set()
    for run in report.runs:
        which = run.layer, run.target, run.prior
        if run.error is None and which not in seen and (run.image is None or run.image in photos):
            seen.add(which)
            yield from _opened(f"{_name(run)} {run.prior}", out, run.files.image)


def _opened(title: str, out: Path, file: str | None) -> Iterator[tuple[str, Image]]:
    try:
        if file is not None:
            yield title, pictures.read_own(out / file)
    except RequestError:
        return  # one that is missing is told by the page


def _name(run: Record) -> str:
    return ":".join(part for part in (run.layer, run.target) if part)
