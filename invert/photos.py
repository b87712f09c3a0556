"""Which photos: the files of a folder, and the one that is always there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from matplotlib import cbook

from invert.errors import RequestError

ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}


def expand(paths: Iterable[str | Path]) -> list[Path]:
    """Files as they are; a folder as the pictures in it and below, by name."""
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
            if not inside:
                raise RequestError(f"no picture in {path}: it holds none of {', '.join(sorted(ENDINGS))}")
            found += inside
        else:
            found.append(path)
    return found


def default_photo() -> Path:
    """Grace Hopper's official portrait, in the public domain, from matplotlib's sample data."""
    return Path(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
