"""The folder a report lives in: reading `report.json`, finding what it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from invert.errors import RequestError
from invert.files import MOST_JSON, read_regular

Json = dict[str, Any]

REPORT = "report.json"
PAGE = "report.html"


def read_report(directory: Path) -> Json:
    """The `report.json` of a folder; `RequestError` in one line where there is none to read."""
    file = directory / REPORT
    try:
        report = json.loads(read_regular(file, MOST_JSON), parse_constant=lambda _: None)
    except FileNotFoundError:
        raise RequestError(
            f"{directory} holds no report: it has no {REPORT} (give the folder that `invert --out` wrote)"
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RequestError(f"{file} is no report: {' '.join(str(error).split())}") from error
    if not isinstance(report, dict) or not isinstance(report.get("runs"), list):
        raise RequestError(f"{file} is no report: it has no list of runs")
    if report.get("schema") != 1:
        raise RequestError(f"{file} has schema {report.get('schema')!r}; this version reads schema 1")
    return report


def inside(directory: Path, name: object) -> Path | None:
    """The file a report names, or None where it is missing or lies outside the report's folder."""
    if not isinstance(name, str) or not name:
        return None
    try:
        file = (directory / name).resolve()
        return file if file.is_relative_to(directory.resolve()) and file.is_file() else None
    except (OSError, ValueError):
        return None


def read_json(directory: Path, name: object) -> Any:
    """A JSON file that a report names, or None where it cannot be read."""
    file = inside(directory, name)
    if file is None:
        return None
    try:
        return json.loads(read_regular(file, MOST_JSON), parse_constant=lambda _: None)
    except (OSError, ValueError, RecursionError):
        return None
