"""`invert report A B C --out DIR`: finished reports, put together on one page."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from invert.errors import RequestError
from invert.files import write_json, write_whole
from invert.report import (
    REPORT,
    Origin,
    Record,
    RecordFiles,
    Report,
    ScoredPhoto,
    Source,
    read_report,
)
from invert.typed_json import read, to_json
from invert_reports.files import inside
from invert_reports.html.page import write_page


def merge(directories: Sequence[Path], out: Path) -> Path:
    """Merge reports into `out`, copying what they name, and write its page; returns the page's path.

    A run's id, and its folder, is prefixed by the name of the folder it came from. Photos with the
    same pixels become one. A single report merged into its own folder only has its page written anew.
    """
    folders = [Path(directory) for directory in directories]
    out = Path(out)
    if not folders:
        raise RequestError("nothing to merge: give at least one folder that holds a report")
    reports = [read_report(folder) for folder in folders]
    if [folder.resolve() for folder in folders] == [out.resolve()]:
        return write_page(out)
    if out.resolve() in {folder.resolve() for folder in folders}:
        raise RequestError(f"cannot merge into {out}: it is one of the reports to merge; give another --out")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise RequestError("cannot merge a report with itself: each folder can be given once")
    _clear(out)

    names = _unique([_slug(folder.resolve().name) for folder in folders])
    merged = _frame(reports, names)
    photos: dict[object, str] = {}
    for folder, report, name in zip(folders, reports, names, strict=True):
        renamed = _merge_photos(merged, report, folder, out, name, photos)
        merged.runs += [_copy_run(run, folder, out, name, renamed) for run in report.runs]
        merged.controls += [_copy_run(run, folder, out, name, renamed) for run in report.controls]
        merged.layers += [
            replace(row, source=name, runs=[f"{name}-{run}" for run in row.runs]) for row in report.layers
        ]
        merged.measures = {**report.measures, **merged.measures}
    write_json(out / REPORT, to_json(merged))
    return write_page(out)


def _frame(reports: Sequence[Report], names: Sequence[str]) -> Report:
    """The fields above the runs: the first report's, with every report's own under `sources`."""
    statuses = [report.status for report in reports]
    worst = next((status for status in ("running", "interrupted", "failed") if status in statuses), "done")
    sources = [
        Source(name=name, **{part.name: getattr(report, part.name) for part in fields(Origin)})
        for name, report in zip(names, reports, strict=True)
    ]
    return replace(
        reports[0], status=worst, sources=sources, images=[], measures={}, runs=[], controls=[], layers=[]
    )


def _merge_photos(
    merged: Report, report: Report, folder: Path, out: Path, name: str, photos: dict[object, str]
) -> dict[str, str]:
    """Copy the photos that are new by their digest; returns each old id's id in the merged report."""
    renamed = {}
    for photo in report.images:
        digest = photo.sha256 or (name, photo.id)
        if digest not in photos:
            photos[digest] = f"{name}-{photo.id}"
            copied = _copy(folder, out, photo.file, lambda path: f"images/{name}-{Path(path).name}")
            merged.images.append(replace(photo, id=photos[digest], file=copied))
        renamed[photo.id] = photos[digest]
    return renamed


def _copy_run(run: Record, folder: Path, out: Path, name: str, renamed: dict[str, str]) -> Record:
    """Copy the files that a run names, and its record; returns its entry in the merged report."""
    ident = f"{name}-{run.id}"
    own = f"runs/{run.id}/"

    def moved(path: str) -> str:
        return f"runs/{ident}/{path.removeprefix(own) if path.startswith(own) else Path(path).name}"

    def copied(named: Any) -> Any:
        if isinstance(named, dict):
            return {key: value if key == "step" else copied(value) for key, value in named.items()}
        if isinstance(named, list):
            return [copied(value) for value in named]
        return _copy(folder, out, named, moved)

    def shown(photos: list[ScoredPhoto]) -> list[ScoredPhoto]:
        return [
            replace(photo, file=_copy(folder, out, photo.file, lambda p: f"photos/{name}-{Path(p).name}"))
            for photo in photos
        ]

    entry = replace(
        run,
        id=ident,
        source=name,
        image=None if run.image is None else renamed.get(run.image, run.image),
        files=read(RecordFiles, copied(to_json(run.files))),
    )
    if run.photos is not None:
        entry.photos = replace(run.photos, highest=shown(run.photos.highest), lowest=shown(run.photos.lowest))
    if entry.files.record is not None:
        write_json(out / entry.files.record, to_json(entry))
    return entry


def _copy(folder: Path, out: Path, name: Any, moved: Callable[[str], str]) -> str | None:
    """Copy one file that a report names; None where it is missing or lies outside the report."""
    file = inside(folder, name) if isinstance(name, str) else None
    if file is None:
        return None
    target = out / moved(str(name))
    if not target.resolve().is_relative_to(out.resolve()):
        return None
    return write_whole(target, file.read_bytes()).relative_to(out).as_posix()


def _clear(out: Path) -> None:
    """Make room: `out` may be new, empty, or hold an earlier merge, whose runs and photos are removed."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise RequestError(f"cannot merge into {out}: it is a file; --out names a folder")
    if not (out / REPORT).is_file() or not read_report(out).sources:
        raise RequestError(
            f"cannot merge into {out}: it holds something else; --out names a new or empty folder"
        )
    earlier = read_report(out)
    for run in [*earlier.runs, *earlier.controls]:
        if re.fullmatch(r"\w[\w.@,+-]*", run.id):
            shutil.rmtree(out / "runs" / run.id, ignore_errors=True)
    for photo in earlier.images:
        file = inside(out, photo.file)
        if file is not None:
            file.unlink()


def _slug(name: str) -> str:
    """A folder's name as a prefix; without a dash, so that where the prefix ends is never in doubt."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower() or "report"


def _unique(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        unique, count = name, 2
        while unique in found:
            unique, count = f"{name}_{count}", count + 1
        found.append(unique)
    return found
