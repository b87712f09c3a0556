"""The folder a report lives in: finding and reading the files it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from invert.files import followed, lies_in
from invert.typed_json import load

Json = dict[str, Any]

PAGE = "report.html"


def inside(directory: Path, name: str | None) -> Path | None:
    """The file a report names, or None where it is missing or lies outside the report's folder."""
    file = followed(directory / (name or ""))
    return file if lies_in(directory, file) and file.is_file() else None


def read_json(directory: Path, name: str | None) -> Any:
    """A JSON file that a report names, or None where it cannot be read."""
    file = inside(directory, name)
    if file is None:
        return None
    try:
        return load(file)
    except (OSError, ValueError):
        return None
