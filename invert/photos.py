"""Which photos: the files of a folder, what of it is left out and why, and the one that is always there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from matplotlib import cbook
from PIL import Image

from invert.errors import RequestError
from invert.pictures import FORMATS
from invert.report import LeftOut


@dataclass(frozen=True)
class Skipped:
    """What a folder of photos holds and is not looked at."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return self.reason if str(self.path) in self.reason else f"{self.path}: {self.reason}"

    def reported(self) -> LeftOut:
        return LeftOut(name=str(self.path), reason=self.reason)


@cache
def endings() -> frozenset[str]:
    """The endings of picture files, lower case, of all formats that are read."""
    return frozenset(end for end, name in Image.registered_extensions().items() if name in FORMATS)


def read(paths: Iterable[str | Path], image: Callable[[Path], object]) -> tuple[list[Path], list[Skipped]]:
    """The photos that `image` can read: files as they are named; a folder as the pictures in it and below.

    Raises `RequestError` for a file that cannot be read. In a folder such a file is skipped, unless
    nothing else is there.
    """
    found: list[Path] = []
    skipped: list[Skipped] = []
    for path in map(Path, paths):
        if not path.is_dir():
            image(path)
            found.append(path)
            continue
        inside, left_out = expand(path)
        skipped += left_out
        before, unread = len(found), None
        for file in inside:
            try:
                image(file)
                found.append(file)
            except RequestError as error:
                unread = error
                skipped.append(Skipped(file, str(error)))
        if unread is not None and len(found) == before:
            raise unread
    return found, skipped


def expand(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """The pictures in a folder and below, by name, and what is left out unopened.

    Raises `RequestError` where there is none.
    """
    found: list[Path] = []
    skipped: list[Skipped] = []
    others: Counter[str] = Counter()

    def closed(error: OSError) -> None:
        skipped.append(Skipped(Path(error.filename or folder), error.strerror or str(error)))

    for place, _, names in os.walk(folder, onerror=closed):
        for name in names:
            ending = Path(name).suffix.lower()
            if ending in endings():
                found.append(Path(place, name))
            else:
                others[ending or name] += 1
    if not found:
        reason = f": {skipped[0].reason}" if skipped else f": it holds none of {', '.join(sorted(endings()))}"
        raise RequestError(f"no picture in {folder}{reason}")
    if others:
        named = ", ".join(sorted(others)[:6]) + (", …" if len(others) > 6 else "")
        number = "a file" if others.total() == 1 else f"{others.total()} files"
        skipped.append(Skipped(folder, f"{number} of other kinds ({named})"))
    return sorted(found), skipped


def default_photo() -> Path:
    """Grace Hopper's official portrait, in the public domain, from matplotlib's sample data."""
    return Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
